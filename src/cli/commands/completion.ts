// `hoopctl completion SHELL`: a script that asks `hoopctl __complete` for what fits.

import { userError } from '../../core/errors.ts';
import { command as define } from '../command.ts';

const BASH = `_hoopctl() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o default 2>/dev/null
    else
      COMPREPLY+=("\${line%%$'\\t'*}")
    fi
  done < <("\${COMP_WORDS[0]}" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _hoopctl hoopctl
`;

const ZSH = `#compdef hoopctl
_hoopctl() {
  local -a lines values
  local line
  lines=("\${(@f)$(\${words[1]} __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    [[ $line == :files ]] && { _files; continue }
    values+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  (( \${#values} )) && _describe hoopctl values
}
if [[ $funcstack[1] == _hoopctl ]]; then _hoopctl "$@"; else compdef _hoopctl hoopctl; fi
`;

const FISH = `function __hoopctl_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in (hoopctl __complete -- $words[2..-1] 2>/dev/null)
    if test "$line" = :files
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c hoopctl -f -a '(__hoopctl_complete)'
`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

export const command = define({
  arguments: [{ name: 'shell', help: 'bash, zsh or fish' }],
  notes: `bash   source <(hoopctl completion bash)                                   in ~/.bashrc
zsh    hoopctl completion zsh > "\${fpath[1]}/_hoopctl"
fish   hoopctl completion fish > ~/.config/fish/completions/hoopctl.fish`,
  run: async ({ shell }, context) => {
    const script = SCRIPTS[shell];
    if (script === undefined)
      throw userError('usage', `no completion for '${shell}'`, { fix: 'choose bash, zsh or fish' });
    await context.io.write(script);
  },
});
