// An rsyslog of its own: TLS, octet counting, what it understood of each message as a line of JSON in a file.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { makeCertificates } from './certificates.ts';
import { eventually, freePort, type Running, start, temporaryDirectory } from './process.ts';

export interface SyslogMessage {
  pri: string;
  at: string;
  host: string;
  app: string;
  msgid: string;
  data: string;
  msg: string;
}

export class Rsyslog {
  readonly port: number;
  readonly caFile: string;
  readonly #directory: string;
  #process!: Running;

  private constructor(directory: string, port: number, caFile: string) {
    this.#directory = directory;
    this.port = port;
    this.caFile = caFile;
  }

  static async open(): Promise<Rsyslog> {
    const directory = temporaryDirectory('rsyslog');
    const { caFile, certFile, keyFile } = await makeCertificates(directory);
    const one = new Rsyslog(directory, await freePort(), caFile);
    const property = (outname: string, name: string) => `property(outname="${outname}" name="${name}" format="jsonf")`;
    const properties = [
      property('pri', 'pri'),
      property('at', 'timestamp" dateFormat="rfc3339'),
      property('host', 'hostname'),
      property('app', 'app-name'),
      property('msgid', 'msgid'),
      property('data', 'structured-data'),
      property('msg', 'msg'),
    ].join(' constant(value=",") ');
    // Direct: what was read from the connection is in the file before more is read.
    writeFileSync(
      join(directory, 'rsyslog.conf'),
      `global(workDirectory="${directory}" maxMessageSize="64k" defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="${caFile}" defaultNetstreamDriverCertFile="${certFile}"
  defaultNetstreamDriverKeyFile="${keyFile}" parser.escapeControlCharactersOnReceive="off")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="understood" type="list") { constant(value="{") ${properties} constant(value="}\\n") }
ruleset(name="all" queue.type="Direct") { action(type="omfile" file="${one.file}" template="understood") }
input(type="imtcp" address="127.0.0.1" port="${one.port}" ruleset="all")
`,
    );
    await one.start();
    return one;
  }

  get file(): string {
    return join(this.#directory, 'received.jsonl');
  }

  async start(): Promise<void> {
    const pid = join(this.#directory, `pid-${Date.now()}`);
    const args = ['-n', '-f', join(this.#directory, 'rsyslog.conf'), '-i', pid];
    this.#process = start('/usr/sbin/rsyslogd', args, { cwd: this.#directory });
    await eventually('rsyslog listens', () => {
      if (!this.#process.running) throw new Error(`rsyslog has ended:\n${this.#process.output}`);
      return answers(this.port);
    });
  }

  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#process.stop(signal);
  }

  /** Every message in the order of arrival. */
  messages(): SyslogMessage[] {
    if (!existsSync(this.file)) return [];
    const lines = readFileSync(this.file, 'utf8').split('\n');
    // A kill may have torn one.
    return lines.flatMap((line) => {
      try {
        return [JSON.parse(line) as SyslogMessage];
      } catch {
        return [];
      }
    });
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
