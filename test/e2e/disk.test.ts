// A disk that is really full: the session ends, an event says so, and nothing reaches the server that is not recorded.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/needs.ts';
import { eventually } from '../support/process.ts';
import { readRecordings, recordedStatements } from '../support/recordings.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';
import { fields, query, WireClient } from '../support/wire.ts';

describeWith(['linux', 'mount namespaces'], 'a full disk under the recordings', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await startStage({ databases: ['app'], config: { log_statement: "'all'" } }, (server) => ({
      connections: { app: connectionTo(server, 'app') },
    }));
    await stage.gateway.stop();
    // Its recordings on a file system of 300 kB that only it sees.
    mkdirSync(stage.gateway.recordings, { recursive: true });
    stage.gateway.within = [
      'unshare',
      '--mount',
      ...(process.getuid?.() === 0 ? [] : ['--map-root-user']),
      'sh',
      '-c',
      `mount -t tmpfs -o size=300k none '${stage.gateway.recordings}' && exec "$@"`,
      'sh',
    ];
    await stage.gateway.start();
  });
  afterAll(() => stage?.stop());

  it('ends the session with nothing forwarded that is not recorded, and others are refused with the reason', async () => {
    const connected = await stage.alice.connect('app');
    const client = await WireClient.connect({ port: connected.port, user: 'x', database: 'app' });
    let sent = 0;
    while (!client.closed && sent < 5000) {
      client.send(query(`select 'tag-${sent++}-', '${'x'.repeat(500)}'`));
      const frames = await client.until('Z');
      if (frames.some(({ type }) => type === 'E')) {
        const said = fields(frames.find(({ type }) => type === 'E')?.body as Buffer);
        expect(JSON.stringify(said)).toMatch(/record/);
        break;
      }
    }
    await client.ended();
    expect(sent).toBeGreaterThan(20);
    expect(sent).toBeLessThan(5000);
    const seen = new Set([...stage.server.log().matchAll(/statement: select '(tag-\d+-)'/g)].map(([, tag]) => tag));
    // Read from inside: the file system is the gateway's own.
    const root = join('/proc', String(stage.gateway.process.pid), 'root', stage.gateway.recordings);

    const recorded = recordedStatements(readRecordings(root)).join('\n');
    expect(seen.size).toBeGreaterThan(20);
    expect([...seen].filter((tag) => !recorded.includes(tag as string))).toEqual([]);
    await eventually('the log tells of it', () => /ENOSPC|no space|recording_failed/i.test(stage.gateway.log));
    // A new session cannot be recorded either, so that there is none.
    await expect(
      (async () => {
        const next = await WireClient.connect({ port: connected.port, user: 'x', database: 'app' });
        next.send(query("select 'tag-after-'"));
        const frames = await next.until('Z');
        if (frames.some(({ type }) => type === 'E') || next.closed) throw new Error('refused');
      })(),
    ).rejects.toThrow();
    expect(stage.server.log()).not.toContain('tag-after-');
    expect((await stage.gateway.get('/healthz')).status).toBe(200);
    await connected.stop();
  });
});
