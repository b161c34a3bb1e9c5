"""Items of ``privacy.mask``: what a secret is called."""


def problem_of(item: str) -> str | None:
    """What is wrong with an item, and what to write instead; None when nothing is."""
    program, colon, option = item.partition(":")
    if any(letter.isspace() or letter == "=" for letter in item):
        return f"{item!r} has a blank or '=' in it; write the name alone, as in *_token or mysql*:-p*"
    if not item.strip("*") or (colon and not (program and option.strip("*"))):
        return f"{item!r} masks nothing or everything; write a name, as in *_token, or PROGRAM:OPTION"
    return None
