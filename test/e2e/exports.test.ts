// The record on its way out, to real receivers: rsyslog over TLS through a network that is cut and a gateway and a receiver
// that are killed, OpenTelemetry's own definitions, CSV readers. Everything arrives, in order, however often they break.

import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CuttableNetwork } from '../support/cut.ts';
import { describeWith, OTLP_DEFINITIONS, SYSTEM_PYTHON } from '../support/needs.ts';
import { eventually, type Running, repository, runOk, sleep, start, temporaryDirectory } from '../support/process.ts';
import { Receiver } from '../support/receiver.ts';
import { Rsyslog, type SyslogMessage } from '../support/rsyslog.ts';
import { allSealed } from '../support/sessions.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { outOfOrder, recordOf } from '../support/truth.ts';
import { query, WireClient } from '../support/wire.ts';

let stage: Stage;
let rsyslog: Rsyslog;
let network: CuttableNetwork;
let hook: Receiver;
let otlp: Running;
let directory: string;

const NASTY = [
  '"quotes" and ]brackets\\',
  'two\nlines\r\nand a tab\t',
  "=cmd()|' /C calc'!A0",
  'emoji 🦊 and ü',
  'a;b,c',
];

const id = (message: SyslogMessage) => /\bid="([^"]+)"/.exec(message.data)?.[1] ?? 'none';
const sequence = (message: SyslogMessage) => Number(/\bsequence="(\d+)"/.exec(message.data)?.[1]);

/** One client that goes on whatever happens to its gateway. */
async function load(number: number, password: string, over: () => boolean): Promise<number> {
  let sent = 0;
  const { nativePort, caFile } = stage.gateway;
  while (!over()) {
    let client: WireClient | undefined;
    try {
      const ca = readFileSync(caFile, 'utf8');
      client = await WireClient.connect({ port: nativePort!, ca, user: 'alice', database: 'app', password });
      for (let i = 0; i < 30 && !over(); i++) {
        const text = NASTY[sent % NASTY.length]!.replaceAll("'", "''");
        client.send(query(`select '${text}', ${number}, ${sent++}, '${'x'.repeat(sent % 17 === 0 ? 9000 : 9)}'`));
        await client.until('Z', 10_000);
        if (client.closed) break;
        await sleep(4);
      }
    } catch {
      await sleep(20);
    } finally {
      client?.destroy();
    }
  }
  return sent;
}

const stream = (id: string) => id.split(':')[0]!;

describeWith(['rsyslog', 'python', 'sqlite3', 'otlp definitions', 'linux'], 'the record on its way out', () => {
  beforeAll(async () => {
    directory = temporaryDirectory('exports');
    rsyslog = await Rsyslog.open();
    network = await CuttableNetwork.before(rsyslog.port);
    hook = await Receiver.start();
    const program = join(repository, 'test/e2e/programs/otlp_receiver.py');
    otlp = start(SYSTEM_PYTHON, [program, join(repository, OTLP_DEFINITIONS), join(directory, 'otlp.jsonl')]);
    const [, port] = await otlp.waitFor(/port (\d+)/);
    stage = await startStage(
      { databases: ['app'] },
      (server) => ({
        roles: { auditor: { groups: ['auditors'] } },
        connections: { app: connectionTo(server, 'app', { labels: { env: 'prod' } }) },
        rules: [{ name: 'no-drop', when: { does: ['drop'] }, then: 'deny' }],
        exports: [
          { name: 'siem', to: 'syslog', address: `127.0.0.1:${network.port}`, caFile: rsyslog.caFile },
          {
            ...{ name: 'collector', to: 'otlp', url: `http://127.0.0.1:${port}/v1/logs` },
            headers: { authorization: 'env:OTLP_AUTHORIZATION' },
          },
          { name: 'table', to: 'file', format: 'csv', path: join(directory, 'record.csv') },
          { name: 'lake', to: 'file', format: 'ocsf', path: join(directory, 'ocsf.jsonl') },
          { name: 'hook', to: 'webhook', url: hook.url, secret: 'env:HOOK_SECRET', kinds: ['session.intent'] },
        ],
        limits: { export_poll_ms: 50, export_confirm_ms: 200, export_retry_ms: 50, export_alert_ms: 500 },
      }),
      { database: 'app', env: { OTLP_AUTHORIZATION: 'Bearer otlp-secret', HOOK_SECRET: 'whsec_c2VjcmV0' } },
    );
  });
  afterAll(async () => {
    await stage?.stop();
    await rsyslog?.stop();
    await otlp?.stop();
    network?.stop();
    hook?.stop();
  });

  let truth: string[] = [];
  /** Sessions that came so far as to say what they are: a kill may leave a recording that is a seal alone, and no label. */
  let opened = new Set<string>();

  it('reaches rsyslog in order after cuts of the network and kills on both sides', { timeout: 400_000 }, async () => {
    const password = await stage.alice.token('app', ['--ttl', '1h']);
    let over = false;
    const clients = [1, 2, 3].map((number) => load(number, password, () => over));
    const arrived = () => rsyslog.messages().length;
    const flowing = async () => {
      const before = arrived();
      await eventually('messages flow', () => arrived() > before + 50);
    };
    await flowing();
    network.cut();
    await sleep(300);
    network.heal();
    await flowing();
    // Taken by the network's kernel, acknowledged, and lost.
    network.swallow();
    await eventually('something is lost', () => network.swallowed > 500);
    network.cut();
    network.heal();
    await flowing();
    await rsyslog.stop('SIGKILL');
    await sleep(300);
    await rsyslog.start();
    await flowing();
    await stage.gateway.stop('SIGKILL');
    await stage.gateway.start();
    await flowing();
    for (let i = 0; i < 3; i++) {
      await rsyslog.stop('SIGKILL');
      await rsyslog.start();
      await sleep(150);
    }
    await stage.gateway.stop('SIGKILL');
    await stage.gateway.start();
    await flowing();
    over = true;
    const statements = (await Promise.all(clients)).reduce((sum, count) => sum + count, 0);
    await allSealed(stage.gateway);
    const record = await recordOf(stage.gateway.data);
    truth = record.map((event) => event.id);
    opened = new Set(record.filter(({ kind }) => kind === 'open').map((event) => stream(event.id)));
    await eventually('everything is there', () => {
      const there = new Set(rsyslog.messages().map(id));
      return truth.every((one) => there.has(one));
    });
    const messages = rsyslog.messages();
    expect(outOfOrder(messages.map(id), truth)).toEqual([]);
    const numbers = [...new Set(messages.map(sequence))].sort((a, b) => a - b);
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    console.log(`${statements} statements, ${truth.length} events, ${messages.length} messages`);
    expect(truth.length).toBeGreaterThan(300);
  });

  it('is understood by rsyslog as it was meant', async () => {
    const messages = rsyslog.messages();
    const intents = messages.filter(({ msgid }) => msgid === 'session.intent');
    expect(messages.every(({ app, data }) => app === 'hoopctl' && data.startsWith('[hoopctl@32473 '))).toBe(true);
    expect(new Set(messages.map(({ pri }) => Number(pri) >> 3))).toEqual(new Set([13]));
    const texts = intents.map(({ msg }) => JSON.parse(msg.replace(/^\s*\ufeff/, '')).data.text as string);
    for (const nasty of NASTY) {
      expect(texts.some((text) => text.includes(`'${nasty.replaceAll("'", "''")}'`))).toBe(true);
    }
    expect(messages.every(({ msg }) => msg.replace(/^ /, '').startsWith('\ufeff'))).toBe(true);
    const long = intents.map(({ msg }) => JSON.parse(msg.replace(/^\s*\ufeff/, '')).data).filter(({ cut }) => cut > 0);
    expect(long.length).toBeGreaterThan(0);
  });

  it('reaches a receiver of OpenTelemetry logs that refuses at first', async () => {
    // What stands behind the last end of a line is being written.
    const read = () =>
      readFileSync(join(directory, 'otlp.jsonl'), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line));
    await eventually('everything is there', () => {
      const there = new Set(read().map(({ attributes }) => attributes['hoopctl.id']));
      return truth.every((one) => there.has(one));
    });
    const records = read();
    expect(otlp.output).not.toContain('refused:');
    expect(
      outOfOrder(
        records.map(({ attributes }) => attributes['hoopctl.id']),
        truth,
      ),
    ).toEqual([]);
    const intent = records.find(({ event }) => event === 'hoopctl.session.intent');
    expect(intent).toMatchObject({
      resource: { 'service.name': 'hoopctl' },
      scope: 'hoopctl.record',
      severity: 9,
      attributes: { 'user.name': 'alice@example.com', 'hoopctl.connection': 'app', 'hoopctl.operation': 1 },
      body: { op: 1, verdict: 'allow' },
    });
    expect(intent.body.text).toBe(intent.attributes['db.query.text']);
  });

  it('reaches a webhook, signed, without what it did not ask for', async () => {
    const due = truth.length;
    await eventually('the last intent is there', () => hook.got.length > 0 && due > 0);
    const events = hook.got.flatMap(({ body }) => body.data.events);
    expect(new Set(events.map(({ kind }) => kind))).toEqual(new Set(['session.intent']));
    expect(hook.got[0]!.headers['webhook-signature']).toMatch(/^v1,/);
    expect(events[0]).toMatchObject({ session: { connection: 'app', principal: { email: 'alice@example.com' } } });
  });

  it('is a CSV file that strict readers read alike', async () => {
    const path = join(directory, 'read.csv');
    const program = `import csv, json, sys
rows = list(csv.DictReader(open(sys.argv[1], newline='', encoding='utf-8'), strict=True))
print(json.dumps([[row['id'], row['sequence'], row['text']] for row in rows]))`;
    // A copy: both are to read the same, and more may come meanwhile.
    const python = await eventually('everything is there, and whole', async () => {
      copyFileSync(join(directory, 'record.csv'), path);
      const rows = JSON.parse((await runOk(SYSTEM_PYTHON, ['-c', program, path])).stdout) as string[][];
      const there = new Set(rows.map(([one]) => one));
      return truth.every((one) => there.has(one)) ? rows : undefined;
    });
    const sqlite = await runOk(
      'sqlite3',
      [':memory:', '-cmd', '.mode csv', '-cmd', `.import ${path} t`, '-cmd', '.mode json'],
      {
        input: 'select id, sequence, text from t;',
      },
    );
    const rows = (JSON.parse(sqlite.stdout) as Record<string, string>[]).map((row) => Object.values(row));
    expect(rows).toEqual(python);
    // A file has every event once, though the gateway was killed.
    expect(python.map(([, number]) => Number(number))).toEqual(python.map((_, i) => i + 1));
    expect(
      outOfOrder(
        python.map(([one]) => one!),
        truth,
      ),
    ).toEqual([]);
    const texts = python.map(([, , text]) => text!);
    for (const nasty of NASTY) {
      expect(texts.some((text) => text.includes(`'${nasty.replaceAll("'", "''")}'`))).toBe(true);
    }
  });

  it('is copied by the command, from the gateway and from its files alike, and that is on record', async () => {
    const auditor = await stage.gateway.user('audrey', { groups: ['auditors'] });
    const args = ['audit', 'export', '--since', '1h', '--kind', 'session.*', '--label', 'env=prod'];
    const lines = (text: string) => text.trimEnd().split('\n');
    const online = lines((await auditor.runOk(args)).stdout).map(
      (line) => JSON.parse(line) as { id: string; gateway?: string },
    );
    const sessions = truth.filter((one) => opened.has(stream(one)));
    expect(online.map((one) => one.id).sort()).toEqual([...sessions].sort());
    const file = join(directory, 'copy.jsonl');
    await auditor.runOk([...args, '--data', stage.gateway.data, '--to', file]);
    // Files do not know at which address their gateway was.
    for (const one of online) delete one.gateway;
    expect(lines(readFileSync(file, 'utf8')).map((line) => JSON.parse(line))).toEqual(online);
    for (const format of ['otlp', 'csv']) {
      const { stdout } = await auditor.runOk([...args, '--format', format, '--data', stage.gateway.data]);
      expect(stdout).toContain(format === 'otlp' ? '"resourceLogs"' : sessions[0]);
    }
    expect((await stage.alice.run(args)).stderr).toContain('auditor');
    const table = (await auditor.run(['audit', 'exports'])).stdout;
    expect(table).toMatch(/^siem +syslog +(idle|sending)/m);
    expect((await auditor.run(['doctor'])).stdout).toMatch(/^ok +export lake +file, (idle|sending)/m);
    const told = async () =>
      (await recordOf(stage.gateway.data)).filter(
        ({ kind, fields }) => kind === 'export' && fields.what === 'copy taken',
      );
    const entries = await eventually('all copies are on record', async () => {
      const found = await told();
      return found.length >= 4 ? found : undefined;
    });
    expect(entries[0]!.fields).toMatchObject({ by: 'audrey@example.com', format: 'jsonl', kinds: ['session.*'] });
    expect(entries[1]!.fields).toMatchObject({ local: true, labels: { env: 'prod' } });
  });

  it('tells of a receiver that is dead, in the log and in the metrics', async () => {
    await rsyslog.stop('SIGKILL');
    const killed = new Date().toISOString();
    // Something to send.
    await stage.alice.token('app');
    const told = async () => {
      const events = (await recordOf(stage.gateway.data)).filter(({ at }) => at > killed);
      return events.find(({ fields }) => fields.what === 'export receiver takes no events' && fields.export === 'siem');
    };
    const entry = await eventually('the log tells', told);
    expect(entry.kind).toBe('failure');
    const metrics = (await stage.gateway.get('/metrics')).body;
    expect(metrics).toMatch(/^hoopctl_export_failing\{export="siem"\} 1$/m);
    expect(metrics).toMatch(/^hoopctl_export_failing\{export="lake"\} 0$/m);
    expect(metrics).toMatch(/^hoopctl_export_lag_seconds\{export="siem"\} [0-9.]*[1-9]/m);
  });
});
