// What a shell in command mode runs while no line does (key bindings, completion, prompts, timers) is decided and recorded: each
// way runs the program where no rule forbids it, and is then on record; where one does it does not run. What could not be
// asked for is refused before.

import { existsSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, type Connected, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually } from '../support/process.ts';
import { endedSession } from '../support/sessions.ts';
import { type ShellHost, startShellHost } from '../support/shell-host.ts';
import { onTerminal, type Terminal } from '../support/terminal.ts';

const [CTRL_E, CTRL_T, CTRL_U, CTRL_X, ESC] = ['\u0005', '\u0014', '\u0015', '\u0018', '\u001b'];
const TAB = '\t';

/** What is typed for each way; lines end in a carriage return, what is left on the line is taken off it afterwards. */
const WAYS: Record<'bash' | 'zsh', Record<string, string>> = {
  bash: {
    'shell-expand-line': `$(wipe x)${ESC}${CTRL_E}`,
    'shell-expand-line, by a function': `: $(true; account-function)${ESC}${CTRL_E}`,
    'edit-and-execute-command': `wipe x${CTRL_X}${CTRL_E}`,
    'the editor of vi mode': `set -o vi\rwipe x${ESC}v`,
    'a key that runs a command': `bind -x '"\\C-t": account-function'\r${CTRL_T}`,
    'a key that runs a command in quotes': `bind -x '"\\C-t": wi""pe x'\r${CTRL_T}`,
    'a macro of a file': `echo '"\\C-o": "$(wipe x)\\e\\C-e"' > keys; bind -f keys\r\u000f`,
    'a completion function': `complete -F account-function foo\rfoo ${TAB}`,
    'a completion command': `complete -C account-function foo\rfoo ${TAB}`,
    'a completion list': `complete -W '$(account-function)' foo\rfoo ${TAB}`,
    'a prompt that was read': `read PS1 <<< '$(account-function)ready> '\r`,
    'the prompt of a second line': `read PS2 <<< '$(account-function)'\rtrue &&\ntrue\r`,
    'what runs for a missing command': 'command_not_found_handle() { account-function; }; nonesuch\r',
  },
  zsh: {
    'expand-or-complete': `echo $(wipe x)${TAB}`,
    'expand-or-complete, by a function': `echo $(account-function)${TAB}`,
    'expand-word': `echo $(wipe x)${CTRL_X}*`,
    'execute-named-cmd': `$(wipe x)${ESC}xexpand-word\r`,
    'a glob qualifier': `echo *(De:account-function:)${TAB}`,
    'a variable that is evaluated': `x='$(account-function)'\recho \${(e)x}${TAB}`,
    'a widget': `zle -N account-function\rbindkey '^T' account-function\r${CTRL_T}`,
    'a widget of the editor itself': `zle-line-init() { account-function }; zle -N zle-line-init\r`,
    'a completion function': `compctl -K account-function foo\rfoo ${TAB}`,
    'a completion list': `compctl -s '$(account-function)' foo\rfoo ${TAB}`,
    'a timer': 'zmodload zsh/sched; sched +1 account-function\r',
    'a prompt that was read': `setopt promptsubst; read -r PROMPT <<< '$(account-function)ready> '\r`,
    'a hook of the directory': 'chpwd() { account-function }; cd /\r',
    'what runs for a missing command': 'command_not_found_handler() { account-function }; nonesuch\r',
    vared: `x='$(account-function)'; vared x\n${TAB}\r`,
    'a function in place of printf': 'printf() { account-function }; true\r',
  },
};

/** What would not be asked for, or would stand in for what asks: it is refused, or does nothing. */
const REFUSED: Record<'bash' | 'zsh', Record<string, string>> = {
  bash: {
    'the prompt of traces': `declare PS4='$(account-function)'; set -x; true\r`,
    'what traces options by a variable': 'x=+T; set $x; (account-function)\r',
    'a trap': 'trap account-function USR1; kill -USR1 $$; true\r',
    'a trap behind dashes': 'trap -- account-function USR1; kill -USR1 $$; true\r',
    'a trap at the end of functions': 'trap account-function RETURN; true\r',
    'a trap by a variable': 'x=DEBUG; trap - $x; account-function\r',
    'a function in place of builtin': 'builtin() { account-function; }; true\r',
    'a function in place of printf': 'printf() { account-function; }; true\r',
    'a sourced function in place of builtin': `echo 'builtin() { account-function; }' > f; . ./f; true\r`,
    'the hook of prompts': `read PROMPT_COMMAND <<< account-function\r`,
    'the file of a group': '{ true; } > RAN\r',
    'the file of a group, in bytes that are no text': '{ true; } > RAN #\u0016\u00ff\r',
    'the file of a group, where nothing interrupts': "trap '' INT\r{ true; } > RAN\r",
    'the file of a group, behind its last line': 'x=cmdhist; shopt -u $x\r{ true; } > RAN &&\ntrue\r',
    'what runs at the end': '(trap account-function EXIT; true)\r',
    'what a trap is told': 'unset BASH_COMMAND; BASH_COMMAND=true\raccount-function\r',
    'what a trap counts': "unset BASH_SUBSHELL; BASH_SUBSHELL='a[$(account-function)]'\rtrue\r",
    'what a trap keeps': "shopt -s localvar_inherit; declare -n kind='x[$(account-function)]'\rtrue\r",
    'a builtin that is taken away': `echo 'builtin() { account-function; }' > f; enable -n unset; . ./f; true\r`,
  },
  zsh: {
    'the prompt of traces': `setopt promptsubst; typeset PS4='$(account-function)'; set -x; true\r`,
    'a trap': 'trap account-function USR1; kill -USR1 $$\r',
    'a trap that is a function': 'TRAPUSR1() { account-function }; kill -USR1 $$\r',
    'functions by a pattern': `unfunction -m '*hoo*'; account-function\r`,
    'a function by assignment': 'x=p_ask; functions[__hoo$x]="return 0"; account-function\r',
    'a function in place of builtin': 'builtin() { account-function }; true\r',
    'a terminal of its own': 'zmodload zsh/zpty; zpty x account-function\r',
  },
};

describeWith(['sshd', 'zsh'], 'what a shell runs at its prompt', () => {
  const hosts = {} as Record<'bash' | 'zsh', ShellHost>;
  let gateway: Gateway;
  let alice: Client;
  let connected: Connected;

  beforeAll(async () => {
    const connections: Record<string, object> = {};
    for (const name of ['bash', 'zsh'] as const) {
      hosts[name] = await startShellHost(name, 'export EDITOR=true LC_ALL=C.UTF-8\n');
      connections[name] = hosts[name].connection;
      connections[`open-${name}`] = hosts[name].connection;
    }
    const to = { names: ['bash', 'zsh'] };
    gateway = await startGateway({
      config: {
        connections,
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
        rules: [
          { name: 'no-wipe', to, when: { programs: ['wipe'] }, then: 'deny' },
          // What the text does not tell may run: it is the questions that have to stop the program.
          { name: 'no-file', to, when: { places: ['*/ran'] }, then: 'deny' },
          { name: 'untold', to, when: { opaque: true }, then: 'allow' },
        ],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    connected = await alice.connect(Object.keys(connections));
  });
  afterAll(async () => {
    await connected?.stop();
    await gateway?.[Symbol.asyncDispose]();
    for (const { sshd } of Object.values(hosts)) await sshd.stop();
  });

  async function shell(name: string): Promise<Terminal> {
    const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
    const words = [...options, `Port=${connected.ports[name]}`].flatMap((option) => ['-o', option]);
    const terminal = onTerminal('ssh', ['-tt', '-F', 'none', ...words, '127.0.0.1'], { env: alice.env });
    await terminal.waitFor(/ready> /);
    return terminal;
  }

  /** Each line at a prompt of its own: before it, the terminal takes some keys for itself. */
  async function type(terminal: Terminal, typed: string): Promise<void> {
    for (const part of typed.split(/(?<=\r)(?=.)/s)) {
      const prompts = terminal.screen.split('ready> ').length;
      // Letters beyond ASCII are bytes that are no text.
      terminal.type(Buffer.from(part, 'latin1'));
      if (part !== typed && typed.startsWith(part)) {
        await eventually('the next prompt', async () => terminal.screen.split('ready> ').length > prompts);
      }
    }
  }

  async function leave(terminal: Terminal): Promise<void> {
    terminal.type(`${CTRL_E}${CTRL_U}exit\r`);
    await terminal.process.exited;
  }

  describe.each(['bash', 'zsh'] as const)('in %s', (name) => {
    it.each(Object.entries(WAYS[name]))('does not run what a rule forbids: %s', async (_, typed) => {
      const { ran } = hosts[name];
      rmSync(hosts[name].ran, { force: true });
      const terminal = await shell(name);
      await type(terminal, typed);
      await terminal.waitFor(/denied by rule "no-wipe"/);
      terminal.type(`${CTRL_E}${CTRL_U}echo still-"here"\r`);
      await terminal.waitFor(/still-here/);
      expect(existsSync(ran)).toBe(false);
      await leave(terminal);
    });

    it.each(Object.entries(WAYS[name]))('records what none forbids: %s', async (_, typed) => {
      const { ran } = hosts[name];
      rmSync(ran, { force: true });
      const terminal = await shell(`open-${name}`);
      await type(terminal, typed);
      await eventually('it ran', async () => existsSync(ran));
      await leave(terminal);
      rmSync(ran, { force: true });
      const { stdout } = await alice.runOk(['sessions', 'replay', await endedSession(alice)]);
      expect(stdout).toMatch(/^.*wi(?:"")?pe/m);
    });

    it.each(Object.entries(REFUSED[name]))('runs nothing without asking: %s', async (_, typed) => {
      rmSync(hosts[name].ran, { force: true });
      const terminal = await shell(name);
      await type(terminal, typed.replace('RAN', hosts[name].ran));
      terminal.type(`${CTRL_E}${CTRL_U}echo still-"here"\r`);
      await terminal.waitFor(/still-here/);
      expect(existsSync(hosts[name].ran), terminal.screen).toBe(false);
      await leave(terminal);
    });
  });
});
