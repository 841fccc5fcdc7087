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
 * bash: a line is asked for by PS0, before anything of it is done: redirections of a group come before its first command, and
 * before the trap. Then the trap runs before each simple command, in functions and subshells too, and what it refuses is
 * skipped (extdebug).
 * __hoop_s: 0 the prompt is made, 1 a line runs, 3 it was refused, 4 the line editor has the terminal.
 * What runs at 0 and 4 is asked for as well: `own` once a shell, `editor` (what the editor runs, and no function of the
 * account's) each time. No function may stand in for a builtin that the trap uses, and nothing runs while it does: hence
 * POSIX mode for a moment (in which no function hides `unset`), integers, and a PS4 that stays.
 * What PS0 is refused it gives up as Ctrl-C would, or where that does nothing (or nothing comes back) by an expression that
 * is none.
 * Ctrl-C gives up a file that a shell starts with, and would give up this one: until it has come to its end it ends the shell.
 */
const BASH = `__hoop_int='builtin echo "hoopctl: the shell was interrupted before it could ask, and ends" >&2; exit 130'
trap "$__hoop_int" INT
[ -r /etc/profile ] && . /etc/profile
trap "$__hoop_int" INT
for __hoop_f in ~/.bash_profile ~/.bash_login ~/.profile; do
  [ -r "$__hoop_f" ] && { . "$__hoop_f"; break; }
done
__hoop_f=$(trap -p INT)
trap "$__hoop_int" INT
declare -i __hoop_n=0 __hoop_s=0 __hoop_last=0
__hoop_none= __hoop_k= __hoop_w=
declare -A __hoop_seen=() __hoop_own=()
exec {__hoop_a}<>"$__hoop_d/a"
__hoop_ask() {
  local __hoop_i=$BASHPID.$((++__hoop_n)) __hoop_t=a __hoop_f=$__hoop_a __hoop_r=
  if ((BASH_SUBSHELL > 0)); then
    __hoop_t=a.$BASHPID
    [[ -p $__hoop_d/$__hoop_t ]] || builtin command -p mkfifo -m 600 "$__hoop_d/$__hoop_t" || return 1
    exec {__hoop_f}<>"$__hoop_d/$__hoop_t"
  fi
  builtin printf '%s\\0' "$__hoop_k" "$1" "$__hoop_i" "$__hoop_t" "$2" 1<>"$__hoop_d/q" || return 1
  while [[ 1 ]]; do
    if IFS= builtin read -r -t 2 -u "$__hoop_f" __hoop_r; then
      [[ $__hoop_r == "$__hoop_i "*"$__hoop_w" ]] && break
    elif ! builtin kill -0 "$__hoop_p" 2>/dev/null; then
      exit 1
    fi
  done
  ((BASH_SUBSHELL > 0)) && exec {__hoop_f}>&-
  __hoop_answer=\${__hoop_r#* }
  [[ $__hoop_answer == "allow $__hoop_w" || $__hoop_answer == "once $__hoop_w" ]]
}
__hoop_stop() {
  ((BASH_SUBSHELL > 0)) && exit 126
  __hoop_s=3
  builtin kill -INT $$
}
__hoop_aside() {
  local __hoop_c=own
  ((__hoop_s == 4)) && [[ -z $2 ]] && __hoop_c=editor
  [[ $__hoop_c == own && \${__hoop_own[$1]-} == "$__hoop_w" ]] && return 0
  if __hoop_ask $__hoop_c "$1"; then
    [[ $__hoop_answer == once* ]] || __hoop_own[$1]=$__hoop_w
    return 0
  fi
  ((BASH_SUBSHELL > 0)) && exit 126
  return 2
}
__hoop_line() {
  local -
  set +x
  local __hoop_l __hoop_i __hoop_c=line
  __hoop_l=$(HISTTIMEFORMAT= builtin history 1)
  __hoop_l=\${__hoop_l#"\${__hoop_l%%[! ]*}"}
  __hoop_i=\${__hoop_l%%[!0123456789]*}
  __hoop_l=\${__hoop_l#"$__hoop_i"[ *] }
  [[ -z $__hoop_i || $__hoop_i == "$__hoop_last" ]] && __hoop_c=unread __hoop_l=
  if __hoop_ask $__hoop_c "$__hoop_l"; then
    builtin printf %s "__hoop_s=1,__hoop_last=\${__hoop_i:-0}"
  elif [[ $(builtin trap -p INT) ]]; then
    builtin printf 'it is refused'
  else
    builtin kill -INT $$
    builtin printf __hoop_s=3
  fi
}
__hoop_debug() {
  POSIXLY_CORRECT=1
  unset -f builtin exec exit return local set
  unset POSIXLY_CORRECT
  local -
  set +x
  case \${FUNCNAME[1]-} in __hoop_ask | __hoop_line | __hoop_prompt | __hoop_ready | __hoop_begin) return 0 ;; esac
  [[ $1 == __hoop_line || $1 == __hoop_prompt || $1 == __hoop_ready ]] && return 0
  ((__hoop_s == 3)) && return 1
  if ((__hoop_s == 0 || __hoop_s == 4)); then
    __hoop_aside "$1" "\${FUNCNAME[1]-}"
    return
  fi
  [[ \${__hoop_seen[$1]-} == "$__hoop_w" ]] && return 0
  __hoop_ask command "$1" || { __hoop_stop; return 1; }
  __hoop_seen[$1]=$__hoop_w
  return 0
}
__hoop_prompt() {
  local __hoop_e=$? -
  set +x
  builtin shopt -s cmdhist lithist extdebug promptvars
  if ((__hoop_s > 0 && __hoop_s < 4)); then
    __hoop_seen=()
    __hoop_ask prompt "$__hoop_e"
  fi
  __hoop_s=0
  return $__hoop_e
}
__hoop_ready() {
  local __hoop_e=$?
  [[ $PS1 == *"$__hoop_mark" ]] || PS1+=$__hoop_mark
  return $__hoop_e
}
unset HISTCONTROL HISTIGNORE
HISTSIZE=1000
set -o history -o functrace
shopt -s cmdhist lithist extdebug promptvars
PROMPT_COMMAND=(__hoop_prompt "\${PROMPT_COMMAND[@]}" __hoop_ready)
PS0='\${__hoop_none:$((__hoop_s=3,$(__hoop_line))):0}'
__hoop_mark='\${__hoop_none:$((__hoop_s=4)):0}'
[[ $PS4 == *[\\\`\\$]* ]] && PS4='+ '
__hoop_ask hello "$$"
__hoop_k=\${__hoop_answer% *} __hoop_w=\${__hoop_answer#* }
readonly -f __hoop_ask __hoop_stop __hoop_aside __hoop_line __hoop_debug __hoop_prompt __hoop_ready
readonly __hoop_k __hoop_w __hoop_a __hoop_d __hoop_p __hoop_none __hoop_mark PROMPT_COMMAND PS0 PS4
readonly BASH_COMMAND BASH_SUBSHELL FUNCNAME
__hoop_begin() {
  trap '__hoop_debug "$BASH_COMMAND"' DEBUG
  if [[ $__hoop_f == *'exit 130'* ]]; then trap - INT; else eval "$__hoop_f"; fi
  unset __hoop_f __hoop_int
  unset -f __hoop_begin
}
__hoop_begin
`;

/**
 * zsh: preexec has the line before anything of it runs; the trap each command, and skips what it refuses (ERR_EXIT). What runs
 * at the prompt is asked for as in bash. No trap runs within another, so lines that set one are refused (lines.ts).
 */
const ZSH_FIRST = `__hoop_u=\${HOME}
__hoop_late() {
  builtin print -u2 'hoopctl: the shell was interrupted before it could ask, and ends'
  exit 130
}
precmd_functions=(__hoop_late)
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
  [[ \${funcstack[2]-} == (__hoop_ask|__hoop_line|__hoop_prompt|__hoop_begin) ]] && return 0
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
precmd_functions=(__hoop_late __hoop_prompt \${precmd_functions:#__hoop_late})
[[ $PS4 == *[\\\`\\$]* ]] && PS4='+%N:%i> '
__hoop_ask hello $$
__hoop_k=\${__hoop_answer% *} __hoop_w=\${__hoop_answer#* }
readonly __hoop_k __hoop_w __hoop_a __hoop_d __hoop_p PS4 PROMPT4
__hoop_begin() {
  trap '__hoop_debug "$ZSH_DEBUG_CMD" || builtin setopt err_exit' DEBUG
  precmd_functions=(\${precmd_functions:#__hoop_late})
  unfunction __hoop_late __hoop_begin
}
__hoop_begin
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
