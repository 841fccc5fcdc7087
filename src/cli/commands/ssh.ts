// `hoopctl ssh NAME [COMMAND]`; `--config`: the same connections for plain ssh and everything that uses it.

import { userError } from '../../core/errors.ts';
import { exitCodeOfChildError } from '../child.ts';
import { command as define } from '../command.ts';
import { assertNotOurs, runTool } from '../shorthand.ts';

const OPTIONS = {
  config: {
    flagOnly: true,
    help: 'write files for plain ssh (scp, rsync, git, IDEs), of these connections or of all',
  },
  certificate: { flagOnly: true, help: "have a key certified for the gateway's native listener, for a short time" },
  key: {
    value: 'FILE',
    trusted: true,
    help: "with --certificate: that key, also an agent's; left out: one of hoopctl's own",
  },
  ttl: { value: 'DURATION', default: '10m', help: 'with --certificate: how long it is good for' },
  reason: { value: 'TEXT', help: 'why, for reviewers and the record' },
} as const;

export const command = define({
  options: OPTIONS,
  arguments: [
    { name: 'name', optional: true, help: 'the connection', complete: 'connections' },
    { name: 'args', many: true, optional: true, help: "ssh's options, and the command to run there" },
  ],
  notes: `hoopctl ssh prod-host -- uptime
hoopctl ssh prod-host -L 8080:localhost:80 -N
hoopctl ssh --config                    # then: ssh prod-host, scp, sftp, rsync, git, ansible, IDEs

Options of hoopctl go before NAME, everything behind it is ssh's; exit codes are ssh's. --config writes an ssh_config file
and a known_hosts file with the gateway's host key, anew each time, and says what to add to ~/.ssh/config once.
--certificate writes FILE-cert.pub beside the key, which ssh -i FILE takes by itself, and says how to connect.`,
  passThrough: true,
  signals: 'all',
  exitCode: exitCodeOfChildError,
  run: async ({ name, args = [], reason, config, certificate, key, ttl }, context) => {
    if (certificate) {
      const { fetchCertificate } = await import('../key-certificate.ts');
      await fetchCertificate(context, { tool: 'ssh', key, ttl, reason });
      return 0;
    }
    if (config) {
      const { writeToolFiles } = await import('../tool-config.ts');
      await writeToolFiles(context, name === undefined ? [] : [name, ...args]);
      return 0;
    }
    if (name === undefined)
      throw userError('usage', "missing required argument 'name'", { fix: "see 'hoopctl ssh --help'" });
    // From the first word on that is no option the command there may have options of any name.
    const command = args.findIndex((arg) => !arg.startsWith('-') || arg === '--');
    assertNotOurs('ssh', name, command === -1 ? args : args.slice(0, command), OPTIONS);
    return runTool(context, { tool: 'ssh', name, args, reason });
  },
});
