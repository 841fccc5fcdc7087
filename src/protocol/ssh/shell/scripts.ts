// What runs on the host in command mode: a helper beside the shell, and what makes bash or zsh ask before each command. Two FIFOs in
// a directory of the session's own carry questions and answers: nothing that a program prints can be taken for either.
// An answer is for the question of its number; every question and every answer has a key that only the shell was told, for whoever
// runs as the account may write into the FIFOs.
// Refuses to know: what is allowed.

/**
 * Questions go out as five texts that end in NUL: key, kind, number, where the answer goes, text; what the helper says itself
 * has no key. Orders come in as lines. The helper alone holds a FIFO open for good: however it ends, what reads from it then
 * does too, and takes the directory along.
 */
export const HELPER = `umask 077
d=$(mktemp -d "\${TMPDIR:-/tmp}/hoopctl.XXXXXXXXXX") || exit 1
mkfifo "$d/q" "$d/a" || { rm -rf "$d"; exit 1; }
exec 8<>"$d/q" 9<>"$d/a"
say() { printf '%s\\0' "" "$1" "$2" "$3" "$4"; }
watch() {
  e=$(readlink "/proc/$1/exe") || return
  while sleep 1 && kill -0 $$ 2>/dev/null; do
    now=$(readlink "/proc/$1/exe") && [ -n "$now" ] || return
    [ "$now" = "$e" ] || { say left "" "" "$now"; return; }
  done
}
say helper "$$" "\${SHELL##*/}" "$d"
{ cat; rm -rf "$d"; } <"$d/q" 8<&- 9<&- &
while read -r to text; do
  case $to in
    file) printf '%s' "\${text#* }" | base64 -d >"$d/\${text%% *}" ;;
    ready) say ready "" "" "" ;;
    watch) watch "$text" 8<&- 9<&- & ;;
    a | a.*) printf '%s\\n' "$text" 1<>"$d/$to" ;;
  esac
done
`;

/** Where the shell finds what the helper made. */
export function preamble(directory: string, helper: string): string {
  return `__hoop_d=${directory} __hoop_p=${helper}\n`;
}

/**
 * bash: the trap runs before each simple command, in functions and subshells too, and what it refuses is skipped (extdebug).
 * __hoop_s: 0 the prompt is made, 1 a line was read, 2 it runs, 3 it was refused, 4 the line editor has the terminal.
 * What runs at 0 and 4 is asked for as well: `own` once a shell, `editor` (what the editor runs, and no function of the
 * account's) each time. No function may stand in for a builtin that the trap uses, and nothing runs while it does: hence
 * POSIX mode for a moment (in which no function hides `unset`), integers, and a PS4 that stays.
 */
const BASH = `[ -r /etc/profile ] && . /etc/profile
for __hoop_f in ~/.bash_profile ~/.bash_login ~/.profile; do
  [ -r "$__hoop_f" ] && { . "$__hoop_f"; break; }
done
unset __hoop_f
declare -i __hoop_n=0 __hoop_s=0
__hoop_last= __hoop_none= __hoop_k= __hoop_w=
declare -A __hoop_seen=() __hoop_own=()
exec {__hoop_a}<>"$__hoop_d/a"
__hoop_ask() {
  local id=$BASHPID.$((++__hoop_n)) to=a fd=$__hoop_a answer=
  if ((BASH_SUBSHELL > 0)); then
    to=a.$BASHPID
    [[ -p $__hoop_d/$to ]] || builtin command -p mkfifo -m 600 "$__hoop_d/$to" || return 1
    exec {fd}<>"$__hoop_d/$to"
  fi
  builtin printf '%s\\0' "$__hoop_k" "$1" "$id" "$to" "$2" 1<>"$__hoop_d/q" || return 1
  while [[ 1 ]]; do
    if IFS= builtin read -r -t 2 -u "$fd" answer; then
      [[ $answer == "$id "*"$__hoop_w" ]] && break
    elif ! builtin kill -0 "$__hoop_p" 2>/dev/null; then
      exit 1
    fi
  done
  ((BASH_SUBSHELL > 0)) && exec {fd}>&-
  __hoop_answer=\${answer#* }
  [[ $__hoop_answer == "allow $__hoop_w" || $__hoop_answer == "once $__hoop_w" ]]
}
__hoop_stop() {
  ((BASH_SUBSHELL > 0)) && exit 126
  __hoop_s=3
  builtin kill -INT $$
}
__hoop_aside() {
  local kind=own
  ((__hoop_s == 4)) && [[ -z $2 ]] && kind=editor
  [[ $kind == own && \${__hoop_own[$1]-} == "$__hoop_w" ]] && return 0
  if __hoop_ask $kind "$1"; then
    [[ $__hoop_answer == once* ]] || __hoop_own[$1]=$__hoop_w
    return 0
  fi
  ((BASH_SUBSHELL > 0)) && exit 126
  return 2
}
__hoop_debug() {
  POSIXLY_CORRECT=1
  unset -f builtin exec exit return local set
  unset POSIXLY_CORRECT
  local -
  set +x
  case \${FUNCNAME[1]-} in __hoop_ask | __hoop_prompt | __hoop_ready) return 0 ;; esac
  [[ $1 == __hoop_prompt || $1 == __hoop_ready ]] && return 0
  ((__hoop_s == 3)) && return 1
  if ((__hoop_s == 0 || __hoop_s == 4)); then
    __hoop_aside "$1" "\${FUNCNAME[1]-}"
    return
  fi
  if ((__hoop_s == 1)); then
    __hoop_s=2
    local line
    line=$(HISTTIMEFORMAT= builtin history 1)
    if [[ $line =~ ^\\ *([0-9]+)\\*?\\ \\ (.*)$ && \${BASH_REMATCH[1]} != "$__hoop_last" ]]; then
      __hoop_last=\${BASH_REMATCH[1]}
      __hoop_ask line "\${BASH_REMATCH[2]}" || { __hoop_stop; return 1; }
    fi
  fi
  [[ \${__hoop_seen[$1]-} == "$__hoop_w" ]] && return 0
  __hoop_ask command "$1" || { __hoop_stop; return 1; }
  __hoop_seen[$1]=$__hoop_w
  return 0
}
__hoop_prompt() {
  local status=$? -
  set +x
  if ((__hoop_s > 0 && __hoop_s < 4)); then
    __hoop_seen=()
    __hoop_ask prompt "$status"
  fi
  __hoop_s=0
  return $status
}
__hoop_ready() {
  local status=$?
  [[ $PS1 == *"$__hoop_mark" ]] || PS1+=$__hoop_mark
  return $status
}
unset HISTCONTROL HISTIGNORE
HISTSIZE=1000
set -o history -o functrace
shopt -s cmdhist lithist extdebug promptvars
PROMPT_COMMAND=(__hoop_prompt "\${PROMPT_COMMAND[@]}" __hoop_ready)
PS0='\${__hoop_none:$((__hoop_s=1)):0}'
__hoop_mark='\${__hoop_none:$((__hoop_s=4)):0}'
[[ $PS4 == *[\\\`\\$]* ]] && PS4='+ '
__hoop_ask hello "$$"
__hoop_k=\${__hoop_answer% *} __hoop_w=\${__hoop_answer#* }
readonly -f __hoop_ask __hoop_stop __hoop_aside __hoop_debug __hoop_prompt __hoop_ready
readonly __hoop_k __hoop_w __hoop_a __hoop_d __hoop_p __hoop_none __hoop_mark PROMPT_COMMAND PS0 PS4
trap '__hoop_debug "$BASH_COMMAND"' DEBUG
`;

/**
 * zsh: preexec has the line before anything of it runs; the trap each command, and skips what it refuses (ERR_EXIT). What runs
 * at the prompt is asked for as in bash. No trap runs within another, so lines that set one are refused (lines.ts).
 */
const ZSH_FIRST = `__hoop_u=\${HOME}
__hoop_source() {
  ZDOTDIR=$__hoop_u
  [[ -r $ZDOTDIR/$1 ]] && . "$ZDOTDIR/$1"
  __hoop_u=\${ZDOTDIR:-$HOME}
  ZDOTDIR=$__hoop_d
}
__hoop_source .zshenv
`;
const ZSH_LAST = `__hoop_source .zlogin
if [[ $__hoop_u == $HOME ]]; then unset ZDOTDIR; else ZDOTDIR=$__hoop_u; fi
unset __hoop_u; unfunction __hoop_source
zmodload zsh/system
typeset -gi __hoop_n=0 __hoop_s=0
typeset -g __hoop_k= __hoop_w= __hoop_answer=
typeset -gA __hoop_seen __hoop_own
exec {__hoop_a}<>"$__hoop_d/a"
__hoop_ask() {
  builtin emulate -L zsh
  builtin unsetopt xtrace
  local id=$sysparams[pid].$((++__hoop_n)) to=a fd=$__hoop_a answer=
  if ((ZSH_SUBSHELL > 0)); then
    to=a.$sysparams[pid]
    [[ -p $__hoop_d/$to ]] || command -p mkfifo -m 600 "$__hoop_d/$to" || return 1
    exec {fd}<>"$__hoop_d/$to"
  fi
  builtin printf '%s\\0' "$__hoop_k" "$1" "$id" "$to" "$2" 1<>"$__hoop_d/q" || return 1
  while [[ 1 ]]; do
    if IFS= builtin read -r -t 2 -u $fd answer; then
      [[ $answer == "$id "*"$__hoop_w" ]] && break
    elif ! builtin kill -0 $__hoop_p 2>/dev/null; then
      exit 1
    fi
  done
  ((ZSH_SUBSHELL > 0)) && exec {fd}>&-
  __hoop_answer=\${answer#* }
  [[ $__hoop_answer == "allow $__hoop_w" || $__hoop_answer == "once $__hoop_w" ]]
}
__hoop_line() {
  builtin emulate -L zsh
  builtin unsetopt xtrace
  __hoop_s=2
  __hoop_ask line "$1" && return 0
  __hoop_s=3
  builtin kill -INT $$
}
__hoop_prompt() {
  local code=$?
  builtin emulate -L zsh
  builtin unsetopt xtrace
  if ((__hoop_s != 0)); then
    __hoop_s=0
    __hoop_seen=()
    __hoop_ask prompt $code
  fi
  return $code
}
__hoop_aside() {
  local kind=own
  [[ -z $2 ]] && kind=editor
  [[ $kind == own && \${__hoop_own[$1]-} == "$__hoop_w" ]] && return 0
  if __hoop_ask $kind "$1"; then
    [[ $__hoop_answer == once* ]] || __hoop_own[$1]=$__hoop_w
    return 0
  fi
  ((ZSH_SUBSHELL > 0)) && exit 126
  return 1
}
__hoop_debug() {
  builtin emulate -L zsh
  builtin unsetopt xtrace
  [[ \${funcstack[2]-} == (__hoop_ask|__hoop_line|__hoop_prompt) ]] && return 0
  ((__hoop_s == 3)) && return 1
  if ((__hoop_s == 0)); then
    __hoop_aside "$1" "\${funcstack[2]-}"
    return
  fi
  [[ \${__hoop_seen[$1]-} == "$__hoop_w" ]] && return 0
  if ! __hoop_ask command "$1"; then
    ((ZSH_SUBSHELL > 0)) && exit 126
    __hoop_s=3
    builtin kill -INT $$
    return 1
  fi
  __hoop_seen[$1]=$__hoop_w
}
setopt debug_before_cmd
preexec_functions=(__hoop_line $preexec_functions)
precmd_functions=(__hoop_prompt $precmd_functions)
[[ $PS4 == *[\\\`\\$]* ]] && PS4='+%N:%i> '
__hoop_ask hello $$
__hoop_k=\${__hoop_answer% *} __hoop_w=\${__hoop_answer#* }
readonly __hoop_k __hoop_w __hoop_a __hoop_d __hoop_p PS4 PROMPT4
trap '__hoop_debug "$ZSH_DEBUG_CMD" || builtin setopt err_exit' DEBUG
`;

export interface Integration {
  /** Files in the helper's directory. */
  readonly files: Readonly<Record<string, string>>;
  /** What the host is asked to run in place of a shell. */
  command(directory: string): string;
}

/** By the name of the account's shell. */
export const INTEGRATIONS: Readonly<Record<string, Integration>> = {
  bash: {
    files: { rc: BASH },
    command: (directory) => `exec bash --rcfile ${directory}/rc -i`,
  },
  zsh: {
    files: {
      '.zshenv': ZSH_FIRST,
      '.zprofile': '__hoop_source .zprofile\n',
      '.zshrc': '__hoop_source .zshrc\n',
      '.zlogin': ZSH_LAST,
    },
    command: (directory) => `ZDOTDIR=${directory} exec zsh -l -i`,
  },
};
