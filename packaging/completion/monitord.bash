# Completion of monitord's command line for bash. Commands and options are asked of the program: no list to keep.
_monitord() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(monitord --help 2>/dev/null | sed -n 's/^    \([a-z]*\) .*/\1/p')" -- "$word")
    elif [[ $word == -* ]]; then
        # Two spaces end what an option is; behind them, and in the examples, are options of other commands, too.
        mapfile -t COMPREPLY < <(compgen -W "$(monitord "$command" --help 2>/dev/null |
            sed -n 's/^  \(-[^ ].*\)/\1/; T; s/  .*//; p' | grep -oE '(^| )--?[a-z][a-z-]*')" -- "$word")
    elif [ "$previous" = --scope ]; then
        mapfile -t COMPREPLY < <(compgen -W "all cgroup: unit: pid: uid: pidns:" -- "$word")
        [[ ${COMPREPLY[0]} == *: ]] && compopt -o nospace
    else
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -F _monitord monitord
