import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.abi.arch import Abi
from monitord.privacy.masks import Masks
from monitord.privacy.usual import USUAL
from monitord.tables.syscalls import SyscallTable

MASKS = Masks(USUAL)


@pytest.mark.parametrize(
    ("argv", "masked"),
    [
        ("app --password=s3cret -v", "app --password=*** -v"),
        ("app --password s3cret -v", "app --password *** -v"),
        ("app -password s3cret", "app -password ***"),
        ("app --db-password s3cret", "app --db-password ***"),
        ("app --PASSWORD=s3cret", "app --PASSWORD=***"),
        ("app --api-token=s3cret --x", "app --api-token=*** --x"),
        ("java -Ddb.password=s3cret Main", "java -Ddb.password=*** Main"),
        ("env GITHUB_TOKEN=s3cret make", "env GITHUB_TOKEN=*** make"),
        ("docker run -e DB_PASSWORD=s3cret db", "docker run -e DB_PASSWORD=*** db"),
        ("mysql -uroot -ps3cret shop", "mysql -uroot -p*** shop"),
        ("mysql -p shop", "mysql -p shop"),
        ("/usr/bin/mysqldump -ps3cret", "/usr/bin/mysqldump -p***"),
        ("sudo -u ann mysql -ps3cret", "sudo -u ann mysql -p***"),
        ("sshpass -p s3cret ssh web", "sshpass -p *** ssh web"),
        ("sshpass -ps3cret ssh web", "sshpass -p*** ssh web"),
        ("curl -u ann:s3cret https://web/", "curl -u *** https://web/"),
        ("curl --user=ann:s3cret https://web/", "curl --user=*** https://web/"),
        ("curl -uann:s3cret https://web/", "curl -u*** https://web/"),
        ("curl --oauth2-bearer s3cret https://web/", "curl --oauth2-bearer *** https://web/"),
        ("docker login -u ann -p s3cret hub", "docker login -u ann -p *** hub"),
        ("zip -Ps3cret x.zip x", "zip -P*** x.zip x"),
        ("keytool -srcstorepass s3cret -list", "keytool -srcstorepass *** -list"),
        ("smbclient -Uann%s3cret //nas/x", "smbclient -U*** //nas/x"),
        ("sqlcmd -U sa -P s3cret -Q x", "sqlcmd -U sa -P *** -Q x"),
        ("ssh-keygen -q -N s3cret -f x", "ssh-keygen -q -N *** -f x"),
        ("mysqladmin -u root password s3cret", "mysqladmin -u root password ***"),
        ("redis-cli AUTH s3cret", "redis-cli AUTH ***"),
        ("app ENCRYPTION_KEY=s3cret AccountKey=s3cret", "app ENCRYPTION_KEY=*** AccountKey=***"),
        ("tailscale up --authkey s3cret --auth-key=s3cret", "tailscale up --authkey *** --auth-key=***"),
        ("env TS_AUTHKEY=s3cret DB_PW=s3cret BINDPW=s3cret x", "env TS_AUTHKEY=*** DB_PW=*** BINDPW=*** x"),
        ("env SIGNING_KEY=s3cret WIFI_PSK=s3cret HMAC_KEY=s3cret x", "env SIGNING_KEY=*** WIFI_PSK=*** HMAC_KEY=*** x"),
        ("env AIRFLOW__CORE__FERNET_KEY=s3cret x", "env AIRFLOW__CORE__FERNET_KEY=*** x"),
        ("lftp -u ann,s3cret web", "lftp -u *** web"),
        ("snmpget -v3 -u ann -A s3cret -X s3cret web", "snmpget -v3 -u ann -A *** -X *** web"),
        ("rdesktop -u ann -p s3cret web", "rdesktop -u ann -p *** web"),
        ("git clone https://s3cret@web/x.git", "git clone https://***@web/x.git"),
        ("git clone ssh://git@web/x.git", "git clone ssh://git@web/x.git"),
        ("git clone https://ann:s3cret@web/x.git", "git clone https://ann:***@web/x.git"),
        ("psql postgres://ann:s3c@ret@db/x", "psql postgres://ann:***@db/x"),
        ("wget https://web/?a=1&token=s3cret&b=2", "wget https://web/?a=1&token=***&b=2"),
        ("mount -o user=ann,password=s3cret //nas/x", "mount -o user=ann,password=*** //nas/x"),
        ("openssl enc -pass pass:s3cret", "openssl enc -pass ***"),
        ("ssh -p 2222 web", "ssh -p 2222 web"),
        ("docker run -p 80:80 web", "docker run -p 80:80 web"),
        ("grep password /etc/app.conf", "grep password /etc/app.conf"),
        ("app --password-file=/run/x", "app --password-file=/run/x"),
        ("env PWD=/root OLDPWD=/ ls", "env PWD=/root OLDPWD=/ ls"),
        ("app --password=", "app --password="),
        ("app --password", "app --password"),
        ("app --passwords=s3cret", "app --passwords=***"),
        ("app PASSWORD1=s3cret API_KEY_2=s3cret", "app PASSWORD1=*** API_KEY_2=***"),
        ("app DBPASS=s3cret TOKENS=s3cret", "app DBPASS=*** TOKENS=***"),
        ("app --pwd=s3cret", "app --pwd=***"),
        ("app --pwd s3cret", "app --pwd ***"),
        ("app Server=db;Uid=ann;Pwd=s3cret;", "app Server=db;Uid=ann;Pwd=***;"),
        ("app Endpoint=sb://x/;SharedAccessKey=s3cret", "app Endpoint=sb://x/;SharedAccessKey=***"),
        ("env SECRET_KEY_BASE=s3cret RAILS_MASTER_KEY=s3cret x", "env SECRET_KEY_BASE=*** RAILS_MASTER_KEY=*** x"),
        ("env JWT_SIGNING_KEY=s3cret GITHUB_PAT=s3cret x", "env JWT_SIGNING_KEY=*** GITHUB_PAT=*** x"),
        ("skopeo copy --src-creds ann:s3cret a b", "skopeo copy --src-creds *** a b"),
        ("podman pull --creds=ann:s3cret web", "podman pull --creds=*** web"),
        ("redis-cli -as3cret ping", "redis-cli -a*** ping"),
        ("mongodump -uann -ps3cret", "mongodump -uann -p***"),
        ("docker login -ps3cret hub", "docker login -p*** hub"),
        ("curl -sSu ann:s3cret https://web/", "curl -sSu *** https://web/"),
        ("curl -sSuann:s3cret https://web/", "curl -sSu*** https://web/"),
        ("curl -b session=s3cret https://web/", "curl -b *** https://web/"),
        ("ldapsearch -xw s3cret -b dc=x", "ldapsearch -xw *** -b dc=x"),
        ("zip -qrP s3cret x.zip x", "zip -qrP *** x.zip x"),
        ("useradd -mp s3cret ann", "useradd -mp *** ann"),
        ("git clone HTTPS://s3cret@web/x.git", "git clone HTTPS://***@web/x.git"),
        ("git clone https://s3cret:x-oauth-basic@web/x.git", "git clone https://***:x-oauth-basic@web/x.git"),
        ("curl https://s3cret:@web/", "curl https://***:@web/"),
        ("curl https://ann:@s3cret@web/", "curl https://ann:***@web/"),
        ("curl https://s3cret@web?from=ann@web", "curl https://***@web?from=ann@web"),
        ("pip install git+https://s3cret@web/x", "pip install git+https://***@web/x"),
        (f"ssh ssh://{'s3cret' * 5}@web", "ssh ssh://***@web"),
        (
            "npm config set //npm.example.org/:_authToken s3cret",
            "npm config set //npm.example.org/:_authToken ***",
        ),
        ("npm config set _authToken=s3cret", "npm config set _authToken=***"),
        ("yarn config set --home npmAuthToken s3cret", "yarn config set --home npmAuthToken ***"),
        ("jq -n --arg token s3cret .", "jq -n --arg token *** ."),
        ("redis-cli CONFIG SET requirepass s3cret", "redis-cli CONFIG SET requirepass ***"),
        ("redis-server --requirepass s3cret", "redis-server --requirepass ***"),
        (
            "curl https://web/x?sp=r&sig=s3cret&X-Amz-Signature=s3cret",
            "curl https://web/x?sp=r&sig=***&X-Amz-Signature=***",
        ),
        ("http -a ann:s3cret web", "http -a *** web"),
        ("sqlplus -s ann/s3cret@db @/srv/x.sql", "sqlplus -s ann/*** @/srv/x.sql"),
        ("snmpwalk -v2c -c s3cret web", "snmpwalk -v2c -c *** web"),
        ("openssl enc -K s3cret -iv 0", "openssl enc -K *** -iv 0"),
    ],
)
def test_argv(argv, masked):
    assert tuple(masked.split(" ")) == MASKS.argv(argv.split(" "))


@pytest.mark.parametrize(
    "argv",
    [
        "",
        "ls -p /srv",
        "find /srv -path x -name password.txt",
        "grep password /etc/app.conf",
        "cat /etc/password /srv/token.json secrets.yaml",
        "cp -pr a b",
        "ssh -p 22 web",
        "mkdir -p /srv/secret",
        "docker run -p 80:80 -v /srv:/run/secrets:ro web",
        "docker run -w /srv --pwd /srv web",
        "env PWD=/root OLDPWD=/ ls",
        "git clone ssh://git@web/x.git",
        "git clone git+ssh://ann@web/x.git",
        "scp ann@web:/x .",
        "psql postgres://ann@db/x",
        "curl https://web:443/x@2",
        "curl -sSo out -XPUT -HAccept:x https://web/",
        "curl -HUser-Agent:x -omenu https://web/",
        "at 12:30 10:00:01",
        "app --password-file=/run/x --token-ttl=5 --max-tokens=4096 --creds-file=x",
        "app --bypass=all --compass=north --load-cookies=x --cookie-jar=x",
        "busctl --allow-interactive-authorization=no --augment-creds=no",
        "app SharedAccessKeyName=Root accesskey=n",
        "useradd -g ann -m ann",
        "zip -r x.zip x",
        "docker run --name=mysql -p3306:3306 -e X-Y=1 web",
        "app --author-key=x --authkeys-file=x -A x -X PUT",
        "kubectl config set-credentials ann --namespace x",
        "git config user.name ann",
        "docker config create token /srv/x",
        "echo x | tee /etc/motd | wc -l",
        "cat x | passwd --stdin",
        "echo x | sudo sh",
        "echo x | git hash-object --stdin",
        "sudo tee /srv/x <<< y",
    ],
)
def test_what_is_no_secret_is_left(argv):
    assert tuple(argv.split(" ")) == MASKS.argv(argv.split(" "))
    assert ("sh", "-c", argv) == MASKS.argv(("sh", "-c", argv))
    assert argv == MASKS.text(argv)


@pytest.mark.parametrize(
    "value",
    ["ApiKey x", "Basic x", "Bot x", "JWT x", "OAuth x", "SSWS x", "AWS4-HMAC-SHA256 Credential=x/y, Signature=z; q"],
)
@pytest.mark.parametrize(
    "given",
    [
        ("curl", "-H", "Authorization: {}", "https://web/"),
        ("curl", "-HAuthorization: {}", "https://web/"),
        ("curl", "--header=Authorization:{}", "https://web/"),
        ("curl", "-H", "Proxy-Authorization: {}"),
        ("curl", "-H", "X-Forwarded-Authorization: {}"),
        ("curl", "-H", "Cookie: {}"),
        ("curl", "-H", "Set-Cookie: {}"),
        ("curl", "-H", "X-Auth-Token: {}"),
        ("curl", "-HX-Api-Key: {}"),
        ("sh", "-c", "curl -H 'Authorization: {}' -H 'Accept: x' https://web/"),
        ("sh", "-c", 'curl -H "authorization:{}" https://web/; cat "x y"'),
        ("sh", "-c", 'sh -c "curl -H \\"Authorization: {}\\" https://web/"; cat "x y"'),
        ("sh", "-c", "printf 'GET / HTTP/1.1\\r\\nAuthorization: {}' | nc web 80"),
        ("sh", "-c", "cat <<.\nAuthorization: {}\n.\nls"),
    ],
)
def test_the_whole_of_a_header(given, value):
    assert tuple(arg.replace("{}", "***") for arg in given) == MASKS.argv([arg.replace("{}", value) for arg in given])


@pytest.mark.parametrize(
    ("arg", "masked"),
    [
        ('Authorization: Digest username="ann", response="s3cret"', "Authorization: ***"),
        ('curl -H "Authorization: Digest a=\\"s3cret\\"" web', 'curl -H "Authorization: ***" web'),
        ("http web Authorization:s3cret x=1 | sh", "http web Authorization:*** x=1 | sh"),
        ("http web Authorization:\\ s3cret x=1", "http web Authorization:*** x=1"),
        ("curl -H Authorization: *** https://web/", "curl -H Authorization: *** https://web/"),
        ('{"Authorization": "ApiKey s3cret", "x": 1}', '{"Authorization": ***, "x": 1}'),
        ('{"password":["s3cret", "s3cret"], "x": [1]}', '{"password":***, "x": [1]}'),
        (
            'curl -d "{\\"password\\": \\"s3 cret\\", \\"x\\": 1}" web',
            'curl -d "{\\"password\\": ***, \\"x\\": 1}" web',
        ),
        ('curl -d "{\\"tokens\\":[\\"s3cret\\"]}" web', 'curl -d "{\\"tokens\\":***}" web'),
        ("os.environ['PASSWORD']='s3cret'; run()", "os.environ['PASSWORD']=***; run()"),
        ('os.environ["PASSWORD"] = "s3cret"; run()', 'os.environ["PASSWORD"] = ***; run()'),
        ("x = {:password => 's3cret', :y => 1}", "x = {:password => ***, :y => 1}"),
        ('sh -c "mysql -ps3cret"', 'sh -c "mysql -p***"'),
        ("bash -c 'su -c \"mysql -ps3cret\" ann'", "bash -c 'su -c \"mysql -p***\" ann'"),
        ('sh -c "sh -c \\"mysql -ps3cret\\""', 'sh -c "sh -c \\"mysql -p***\\""'),
        ("sh -c 'sh -c '\\''mysql -ps3cret'\\'", "sh -c 'sh -c '\\''mysql -p***'\\'"),
        ('N="$(mysql -ps3cret -e x)"; echo $N', 'N="$(mysql -p*** -e x)"; echo $N'),
        ("N=`mysql -ps3cret`", "N=`mysql -p***`"),
        ("su --command='mysql -ps3cret' ann", "su --command='mysql -p***' ann"),
        ("--command=mysql -ps3cret", "--command=mysql -p***"),
        ('docker run -e "DB_PASSWORD=s3 cret" web', 'docker run -e "DB_PASSWORD=***" web'),
        ("mysql -ps3cret shop; cp -pr a b", "mysql -p*** shop; cp -pr a b"),
        ("PWD=`pwd`; OLDPWD=$PWD", "PWD=`pwd`; OLDPWD=$PWD"),
    ],
)
def test_quotes_in_quotes(arg, masked):
    assert ("sh", "-c", masked) == MASKS.argv(("sh", "-c", arg))
    assert masked == MASKS.text(masked)


@pytest.mark.parametrize(
    ("arg", "masked"),
    [
        ("ALTER USER ann WITH PASSWORD 's3 cret';", "ALTER USER ann WITH PASSWORD '***';"),
        ("create user ann identified by 's3''cret'", "create user ann identified by '***'"),
        ('CREATE USER a IDENTIFIED WITH x BY "s3cret"', 'CREATE USER a IDENTIFIED WITH x BY "***"'),
        ("SET PASSWORD FOR 'ann'@'%' = 's3cret'", "SET PASSWORD FOR 'ann'@'%' = '***'"),
        ("psql -c \"ALTER ROLE ann PASSWORD 's3cret'\"", "psql -c \"ALTER ROLE ann PASSWORD '***'\""),
        ("psql -c 'ALTER ROLE a PASSWORD '\\''s3cret'\\'''", "psql -c 'ALTER ROLE a PASSWORD '\\''***'\\'''"),
        ("SELECT password FROM users WHERE name = 'ann'", "SELECT password FROM users WHERE name = 'ann'"),
    ],
)
def test_sql(arg, masked):
    assert ("mysql", "-e", masked) == MASKS.argv(("mysql", "-e", arg))
    assert masked == MASKS.text(masked)


@pytest.mark.parametrize(
    ("arg", "masked"),
    [
        ("echo root:s3cret | chpasswd", "echo *** | chpasswd"),
        (
            "echo 'r:s3;c|ret' | sudo -u ann /usr/sbin/chpasswd -e; ls",
            "echo *** | sudo -u ann /usr/sbin/chpasswd -e; ls",
        ),
        ("cd /srv; echo -n s3cret | passwd --stdin ann && ls", "cd /srv; echo -n *** | passwd --stdin ann && ls"),
        ("printf 's3cret\\ns3cret\\n' | passwd ann", "printf *** | passwd ann"),
        ("(echo s3cret; echo s3cret) | smbpasswd -s ann", "(echo ***; echo ***) | smbpasswd -s ann"),
        ("echo begin; echo s3cret | sudo -kS ls", "echo begin; echo *** | sudo -kS ls"),
        ('echo "s3cret" | docker login -u ann --password-stdin', "echo *** | docker login -u ann --password-stdin"),
        ("echo s3cret | gh auth login --with-token", "echo *** | gh auth login --with-token"),
        ("chpasswd <<< root:s3cret", "chpasswd <<< ***"),
        ("su -c 'echo root:s3cret | chpasswd'", "su -c 'echo *** | chpasswd'"),
        ("sed -i \"s/DB_PASSWORD=.*/DB_PASSWORD='s3 cret'/\" .env", 'sed -i "s/DB_PASSWORD=***" .env'),
    ],
)
def test_a_shell(arg, masked):
    assert ("sh", "-c", masked) == MASKS.argv(("sh", "-c", arg))
    assert masked == MASKS.text(masked)


@pytest.mark.parametrize(
    ("arg", "masked"),
    [
        ("curl -H 'Authorization: Bearer abc.def'", "curl -H 'Authorization: Bearer abc.def'"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("X-Api-Key: abc", "X-Api-Key: ***"),
        ('{"user": "ann", "password": "a \\" b", "x": 1}', '{"user": "ann", "password": ***, "x": 1}'),
        ("mysql -ps3cret shop; echo done", "mysql -p*** shop; echo done"),
        ("mysql -p's3 cret' shop", "mysql -p*** shop"),
        ("export A_TOKEN=abc; run --secret 'a b' -v", "export A_TOKEN=***; run --secret '***' -v"),
        ("app \\\n --token \\\n s3cret -v", "app \\\n --token \\\n *** -v"),
        ('DB_PASSWORD="a b" ./run', "DB_PASSWORD=***"),
        ("see https://ann:s3cret@web and ftp://bob:other@web", "see https://ann:***@web and ftp://bob:***@web"),
    ],
)
def test_an_argument_that_is_a_command_or_a_document(arg, masked):
    if masked == arg:  # the value of a header is found behind its name, in quotes too
        masked = "curl -H 'Authorization: ***'"
    assert ("sh", "-c", masked) == MASKS.argv(("sh", "-c", arg))


def test_a_text_is_masked_by_the_same_names():
    assert "mysql -uroot -p*** shop" == MASKS.text("mysql -uroot -ps3cret shop")
    assert "/etc/shadow" == MASKS.text("/etc/shadow")


def test_environment_by_name():
    given = ("A_TOKEN=abc def", "HOME=/root", "DSN=postgres://u:pw@db/x", "EMPTY_TOKEN=", "A_TOKEN", "SUM=1+1=2")
    masked = ("A_TOKEN=***", "HOME=/root", "DSN=postgres://u:***@db/x", "EMPTY_TOKEN=***", "A_TOKEN***", "SUM=1+1=2")

    assert masked == MASKS.environment(given)


LONG = "s3cret7Q" * 6


@pytest.mark.parametrize(
    "given",
    [
        *("ghp_{}", "github_pat_11A_{}", "glpat-{}", "npm_{}", "xoxb-12-{}", "sk-{}", "sk-proj-{}", "sk-ant-api03-{}"),
        *("pypi-{}", "hvs.{}", "SG.{}.{}", "AIza{}", "eyJhbGciOi{}.eyJzdWIi{}.{}", "eyJhbGciOi{}.eyJzdWIi{}."),
    ],
)
def test_what_looks_like_a_token_is_one(given):
    token = given.replace("{}", LONG)

    assert ("vault", "login", "***") == MASKS.argv(("vault", "login", token))
    assert ("sh", "-c", "echo '***' > x") == MASKS.argv(("sh", "-c", f"echo '{token}' > x"))
    assert ("X=***", "Y=a ***") == MASKS.environment((f"X={token}", f"Y=a {token}"))
    assert "/srv/***" == MASKS.text(f"/srv/{token}")


@pytest.mark.parametrize(
    ("given", "masked"),
    [
        (f"https://api.telegram.org/bot1234567:{LONG}/getMe", "https://api.telegram.org/bot***/getMe"),
        ("https://hooks.slack.com/services/T01/B02/s3cret", "https://hooks.slack.com/services/***"),
        ("https://discord.com/api/webhooks/17/s3-cret", "https://discord.com/api/webhooks/***"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\ns3/cret+\ns3==\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
        ),
        ("npm_config_registry_of_the_whole_organisation=x", "npm_config_registry_of_the_whole_organisation=x"),
        ("sk-learn-a-very-long-name-of-a-directory-there", "sk-learn-a-very-long-name-of-a-directory-there"),
        ("https://web/api/webhooks", "https://web/api/webhooks"),
    ],
)
def test_addresses_and_keys(given, masked):
    assert (masked,) == MASKS.argv((given,))
    assert masked == MASKS.text(masked)


def test_no_argument_of_a_call_is_called_like_a_secret():
    """Else evt.args would hide its value."""
    names = sorted({arg.name for call in SyscallTable.load(Abi) for arg in call.args})

    assert [f"{name}=17" for name in names] == [MASKS.text(f"{name}=17") for name in names]


def test_names_of_ones_own():
    masks = Masks(("*_pin", "door*:--code"))

    assert ("x", "--card-pin=***", "--password=abc") == masks.argv(("x", "--card-pin=12", "--password=abc"))
    assert ("doorctl", "--code", "***") == masks.argv(("doorctl", "--code", "17"))
    assert ("other", "--code", "17") == masks.argv(("other", "--code", "17"))


def test_letters_in_front_of_an_option():
    masks = Masks(("door:-[qv]c", "door:-[qv]c*"))

    assert ("door", "-c", "***", "-qvc", "***", "-vc***") == masks.argv(("door", "-c", "1", "-qvc", "2", "-vc3"))
    assert ("door", "-xc", "1", "-[c", "2") == masks.argv(("door", "-xc", "1", "-[c", "2"))


def test_an_empty_command_line():
    assert () == MASKS.argv(())
    assert ("sh", "-c", "'' ' ' x") == MASKS.argv(("sh", "-c", "'' ' ' x"))


def test_masking_twice_is_masking_once():
    argv = ("mysql", "-ps3cret", "--password", "x", "https://u:p@h/", "A_TOKEN=q")

    assert MASKS.argv(argv) == MASKS.argv(MASKS.argv(argv))


SECRETS = st.from_regex(r"S3[a-zA-Z0-9!#$%*+^_~\udc80-\udcff-]{6,20}", fullmatch=True)
NOISE = st.text(st.characters(blacklist_characters="\0"), max_size=12).filter(lambda text: "S3" not in text)
GIVEN = st.sampled_from(
    ["--password={}", "--api-token={}", "DB_PASSWORD={}", "https://ann:{}@web/", "-Dx.secret={}", "token={}"]
)


@given(st.lists(NOISE, max_size=4), GIVEN, SECRETS, st.lists(NOISE, max_size=4), st.booleans())
def test_no_secret_is_left_whatever_stands_around_it(before, how, secret, after, in_shell):
    argument = how.format(secret)
    argv = ("sh", "-c", " ".join(("run", argument, "-v"))) if in_shell else (*before, argument, *after)

    shown = MASKS.argv(argv)
    assert secret not in " ".join(shown)
    assert len(argv) == len(shown)


@given(st.text(max_size=200))
def test_any_text_can_be_masked(text):
    assert isinstance(MASKS.text(text), str)
    assert 2 == len(MASKS.argv((text, text)))


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "a",
            "a=",
            "--",
            "token",
            "://a:",
            "'",
            '"',
            "a ",
            "\\",
            "token=",
            "=:",
            "- ",
            '\\"',
            '"\\',
            '"a ',
            "\"'",
            "; ",
        ),
        *("cookie:", "'cookie: ", '\\"cookie: ', 'cookie: "', "cookie: \n", 'token:\\"', "token=[", "token=\\ "),
        *("https://a", "://a1", "curl -u ", "config ", "password '", "'\\''", "identified with ", "token=/a="),
        *("eyJaaaaaaaa.", "hvs.", "sk-", "sk-ant-", "PRIVATE KEY-----", "/bot1234567:", "/api/webhooks/", "ghp_"),
        *("echo ", "echo x|passwd|", "|passwd<<<", "(echo;", ") | passwd;", "-stdin|", "sudo -a ", "sudo -a|", "<<<"),
        *("pass", "pass-", "key-", "passwd ", "#|curl -u "),
    ],
)
def test_an_argument_of_128_kib_takes_no_time(piece):
    long = piece * (131072 // len(piece))
    before = time.process_time()

    MASKS.argv(("x", long))
    MASKS.text(long)
    MASKS.text(f"a | {long}")

    assert time.process_time() - before < 2
