
# Names of nodes, from the daemon.
_hactl_node_names() {
    hactl nodes --timeout 150ms --plain -o node 2>/dev/null
}

_hactl_with_names() {
    _hactl "$@"
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" word wanted=""
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "${word}" in nodes|links) wanted=also ;; esac
    done
    case "${prev}" in
        --node) wanted=only ;;
        -o|--columns|--socket|--timeout|--color) wanted="" ;;
    esac
    case "${wanted}:${cur}" in
        only:*) COMPREPLY=( $(compgen -W "$(_hactl_node_names)" -- "${cur}") ) ;;
        also:-*) ;;
        also:*) COMPREPLY+=( $(compgen -W "$(_hactl_node_names)" -- "${cur}") ) ;;
    esac
}

complete -F _hactl_with_names -o bashdefault -o default hactl
