/**
 * What each shell is given. All three ask `tidegate __complete -- WORDS…`, whose answer is a candidate in each line, a tab
 * and what it is; or the one line `:files`. They ask the very program that stands on the line.
 */

const bash = `# tidegate completion for bash. In ~/.bashrc:  source <(tidegate completion bash)
_tidegate() {
  # Bash breaks words at ":" ("orders-db:read" is three to it). They are put together again as they stand on the line.
  local rest="\${COMP_LINE:0:COMP_POINT}" trimmed word i
  local -a words=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    trimmed="\${rest#"\${rest%%[![:blank:]]*}"}"
    ((i == COMP_CWORD)) && word="$trimmed"
    if ((\${#words[@]} == 0)) || [[ "$trimmed" != "$rest" ]]; then words+=("$word"); else words[-1]+="$word"; fi
    rest="\${trimmed#"$word"}"
  done
  COMPREPLY=()
  local current="\${words[-1]}" line
  local program="\${words[0]/#\\~/$HOME}"
  # What bash takes for a word of its own begins after the last ":"; only that part is replaced.
  local kept=""
  [[ "$current" == *:* && "$COMP_WORDBREAKS" == *:* ]] && kept="\${current%"\${current##*:}"}"
  while IFS= read -r line; do
    if [[ "$line" == ":files" ]]; then
      compopt -o default 2>/dev/null
      return 0
    fi
    line="\${line%%$'\\t'*}"
    COMPREPLY+=("\${line#"$kept"}")
  done < <("$program" __complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -F _tidegate tidegate
`;

const zsh = `#compdef tidegate
# tidegate completion for zsh. In ~/.zshrc, after compinit:  source <(tidegate completion zsh)
_tidegate() {
  local line value about
  local -a candidates
  while IFS= read -r line; do
    if [[ "$line" == ":files" ]]; then
      _files
      return
    fi
    value="\${line%%$'\\t'*}"
    about="\${line#*$'\\t'}"
    candidates+=("\${value//:/\\\\:}:\${about}")
  done < <("\${(Q)words[1]/#\\~/$HOME}" __complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)
  _describe 'tidegate' candidates
}
if [[ "\${funcstack[1]}" == "_tidegate" ]]; then
  _tidegate "$@"
else
  compdef _tidegate tidegate
fi
`;

const fish = `# tidegate completion for fish:  tidegate completion fish > ~/.config/fish/completions/tidegate.fish
function __tidegate_complete
  set -l words (commandline -opc)
  set -l answer ($words[1] __complete -- $words[2..] (commandline -ct) 2>/dev/null)
  if test "$answer" = ":files"
    __fish_complete_path (commandline -ct)
  else if set -q answer[1]
    printf '%s\\n' $answer
  end
end
complete -c tidegate -f -a "(__tidegate_complete)"
`;

export const SCRIPTS = { bash, zsh, fish } as const;
