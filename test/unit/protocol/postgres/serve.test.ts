import { describe, expect, it } from 'vitest';
import { back, front } from '../../../conformance/postgres/kit.ts';
import { KEY, packet, Stage, startup, welcome } from '../../../conformance/postgres/script.ts';

const pause = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a conversation', () => {
  it('carries a query there and back, and Terminate at its end', async () => {
    const stage = new Stage();
    const { client, target, over } = await stage.talking();
    client.send(front.query('select 1'));
    expect(await target.asked(1)).toEqual(['Query select 1']);
    target.send(back.rows('a'), back.row('1'), back.complete('SELECT 1'), back.ready());
    expect(await client.told(4)).toHaveLength(4);
    client.send(front.terminate());
    expect(await target.asked(1)).toEqual(['Terminate']);
    target.stream.end();
    client.stream.end();
    await over;
    expect(stage.session.ended?.code).toBe('client_closed');
  });

  it('takes what came together with the startup packet', async () => {
    const stage = new Stage();
    const { client } = stage.visit();
    client.send(startup({ user: 'alice' }), front.query('select 1'));
    const target = await stage.target();
    await target.packet();
    target.send(welcome());
    expect(await target.asked(1)).toEqual(['Query select 1']);
    client.stream.destroy();
  });

  it.each<Record<string, string>>([{ role: 'boss' }, { options: '-c role=boss' }])(
    'decides a role among the startup parameters: %o',
    async (asked) => {
      const deny = ({ text, parts }: { text: string; parts: readonly { does: readonly string[] }[] }) =>
        text === 'set role = boss' && parts[0]?.does.includes('set-role') ? 'no-role' : undefined;
      const stage = new Stage({ session: { ruled: true, deny } });
      const { client } = stage.visit();
      client.send(startup({ user: 'alice', ...asked }));
      expect(await client.rest()).toEqual([expect.stringMatching(/^ErrorResponse FATAL 42501 .*no-role/)]);
      expect(stage.targets).toHaveLength(0);
    },
  );

  it('sends nothing of an operation before it is on record, and everything in order', async () => {
    const stage = new Stage({ session: { later: true } });
    const { client, target } = await stage.talking();
    let waiting: (() => void) | undefined;
    const asked = Promise.withResolvers<void>();
    stage.session.recorded = (then) => {
      asked.resolve();
      const before = waiting;
      waiting = () => {
        before?.();
        then();
      };
    };
    client.send(front.query('select 1'));
    await asked.promise;
    client.send(front.sync());
    await pause();
    expect(target.bytes.length).toBe(0);
    waiting?.();
    expect(await target.asked(2)).toEqual(['Query select 1', 'Sync']);
    client.stream.destroy();
  });

  it('ends, with nothing forwarded, when the record cannot be written', async () => {
    const stage = new Stage({ session: { broken: true } });
    const { client, target, over } = await stage.talking();
    client.send(front.query('select 1'), front.query('select 2'));
    expect(await client.rest()).toEqual(['ErrorResponse FATAL 58030 the recording cannot be written D=session s-test']);
    expect(await target.asked(1)).toEqual(['Terminate']);
    await target.until((peer) => peer.closed || peer.ended);
    expect(target.bytes.length).toBe(0);
    client.stream.end();
    target.stream.end();
    await over;
  });

  it('is ended by the session with the reason, and what runs is cancelled at the target', async () => {
    const stage = new Stage();
    const { client, target, over } = await stage.talking();
    client.send(front.query('select pg_sleep(100)'));
    await target.asked(1);
    stage.session.kill({ code: 'session_killed', message: 'killed by bob: lunch' });
    expect(await client.rest()).toEqual(['ErrorResponse FATAL 57P01 killed by bob: lunch D=session s-test']);
    const cancel = await (await stage.target(1)).packet();
    expect(cancel.readInt32BE(8)).toBe(KEY.process);
    expect(cancel.subarray(12)).toEqual(KEY.secret);
    expect(stage.session.outcomes).toMatchObject([{ status: 'unknown' }]);
    client.stream.destroy();
    target.stream.destroy();
    stage.targets[1]?.stream.destroy();
    await over;
  });

  it('tells the client when the target is gone', async () => {
    const stage = new Stage();
    const { client, target, over } = await stage.talking();
    client.send(front.query('select 1'));
    await target.asked(1);
    target.stream.destroy();
    expect(await client.rest()).toEqual([
      'ErrorResponse FATAL 08006 the target closed the connection D=session s-test',
    ]);
    client.stream.end();
    await over;
    expect(stage.session.ended?.code).toBe('target_closed');
    expect(stage.session.outcomes).toMatchObject([{ status: 'unknown' }]);
  });

  it("leaves the server's own farewell alone", async () => {
    const stage = new Stage();
    const { client, target } = await stage.talking();
    target.send(back.error('57P01', 'terminating connection due to administrator command', { V: 'FATAL' }));
    target.stream.end();
    expect(await client.rest()).toEqual([
      'ErrorResponse FATAL 57P01 terminating connection due to administrator command',
    ]);
    client.stream.destroy();
  });

  it('answers what a client asked before it stopped sending', async () => {
    const stage = new Stage();
    const { client, target, over } = await stage.talking();
    client.send(front.query('select 1'));
    client.stream.end();
    expect(await target.asked(2)).toEqual(['Query select 1', 'Terminate']);
    target.send(back.complete('SELECT 1'), back.ready());
    expect(await client.told(2)).toHaveLength(2);
    target.stream.end();
    await over;
    expect(stage.session.ended?.code).toBe('client_closed');
  });

  it('answers all that a client asked before it stopped sending, also what has to wait for an answer', async () => {
    const stage = new Stage();
    const { client, target } = await stage.talking();
    client.send(front.query('copy t from stdin'), front.copyData('1\n'), front.copyDone(), front.query('select 1'));
    client.stream.end();
    expect(await target.asked(2)).toEqual(['Query copy t from stdin', 'Flush']);
    target.send(back.copyIn());
    expect(await target.asked(4)).toEqual(['CopyData 1', 'CopyDone', 'Query select 1', 'Terminate']);
    client.stream.destroy();
  });

  it('cancels at the target what still runs when the client is gone for good', async () => {
    const stage = new Stage({ limits: { closing_ms: 30 } });
    const { client, target, over } = await stage.talking();
    client.send(front.query('select pg_sleep(100)'));
    await target.asked(1);
    client.stream.destroy();
    const cancel = await stage.target(1);
    expect((await cancel.packet()).readInt32BE(8)).toBe(KEY.process);
    cancel.stream.destroy();
    await over;
  });

  it('stops reading the target while the client does not read, and holds little meanwhile', async () => {
    const stage = new Stage();
    const { client, target } = await stage.talking();
    client.send(front.query('select lots'));
    await target.asked(1);
    client.stream.pause();
    target.send(back.rows('a'));
    const row = back.row('x'.repeat(8000));
    let sent = 0;
    for (let full = false; !full && sent < 1000; sent++) {
      full = !target.stream.write(row);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(sent).toBeLessThan(100);
    client.stream.resume();
    target.send(back.complete('SELECT 1'), back.ready());
    expect((await client.told(sent + 3)).at(-1)).toBe('ReadyForQuery I');
    client.stream.destroy();
  });

  it('stops reading the client while the target does not read', async () => {
    const stage = new Stage();
    const { client, target } = await stage.talking();
    target.stream.pause();
    const big = front.query(`select '${'x'.repeat(8000)}'`);
    let sent = 0;
    for (let full = false; !full && sent < 1000; sent++) {
      full = !client.stream.write(big);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(sent).toBeLessThan(100);
    target.stream.resume();
    expect(await target.asked(sent)).toHaveLength(sent);
    client.stream.destroy();
  });

  it('lets a message over the limit in neither direction', async () => {
    const stage = new Stage({ limits: { inspected_message_bytes: 1000 } });
    const { client, target, over } = await stage.talking();
    client.send(Buffer.from([0x51, 0, 0, 0x10, 0]));
    expect((await client.rest())[0]).toMatch(/^ErrorResponse FATAL 54000 inspected_message_bytes is 4097 bytes/);
    await target.until((peer) => peer.ended || peer.closed);
    client.stream.end();
    target.stream.end();
    await over;
    expect(stage.session.ended?.code).toBe('limit_exceeded');
  });
});

describe('a guard that throws', () => {
  const thrown = ['ErrorResponse FATAL XX000 the gateway failed in this session D=session s-test'];

  it.each(['decide', 'recorded', 'traffic', 'result', 'wantsRows'] as const)(
    '(%s) ends the session, and nothing more passes',
    async (guard) => {
      const stage = new Stage({ limits: { closing_ms: 30 } });
      const { client, target, over } = await stage.talking();
      Object.assign(stage.session, {
        [guard]: () => {
          throw new Error('a bug with 123-45-6789 in it');
        },
      });
      client.send(front.query('select 1'));
      if (guard === 'result' || guard === 'wantsRows') {
        await target.asked(1);
        target.send(back.rows('a'), back.row('123-45-6789'), back.complete('SELECT 1'), back.ready());
      }
      const told = await client.rest();
      expect(told.slice(-1)).toEqual(thrown);
      if (guard === 'decide' || guard === 'recorded') expect(target.bytes.toString('latin1')).not.toContain('select 1');
      client.stream.end();
      target.stream.end();
      await over;
      expect(stage.session.ended).toEqual({ code: 'internal', message: 'the gateway failed in this session' });
    },
  );
});

describe('CancelRequest', () => {
  const keyOf = (told: Buffer) => told.subarray(5);

  async function keyed(stage: Stage) {
    const { client, over } = stage.visit();
    client.send(startup({ user: 'alice' }));
    const target = await stage.target();
    await target.packet();
    target.send(welcome());
    await client.message();
    await client.message();
    const key = keyOf(await client.message());
    await client.message();
    return { client, target, key, over };
  }

  it('cancels at the target with the real key, and is answered when that is done', async () => {
    const stage = new Stage();
    const { client, target, key } = await keyed(stage);
    client.send(front.query('select pg_sleep(100)'));
    await target.asked(1);
    const { client: other, over } = stage.visit();
    other.send(packet(80877102, key));
    const cancel = await stage.target(1);
    expect((await cancel.packet()).subarray(8)).toEqual(Buffer.concat([Buffer.from([0, 0, 0x12, 0x67]), KEY.secret]));
    await pause();
    expect(other.ended).toBe(false);
    cancel.stream.end();
    await over;
    await other.until((peer) => peer.ended || peer.closed);
    expect(stage.session.notes).toEqual([{ kind: 'cancel', fields: {} }]);
    client.stream.destroy();
  });

  it('does nothing with a key that is not right', async () => {
    const stage = new Stage();
    const { client, key } = await keyed(stage);
    const wrong = Buffer.from(key);
    wrong[7]! ^= 1;
    for (const bytes of [
      wrong,
      Buffer.concat([key, Buffer.from('more')]),
      Buffer.concat([Buffer.from([0, 0, 0x12, 0x67]), KEY.secret]),
    ]) {
      const { client: other, over } = stage.visit();
      other.send(packet(80877102, bytes));
      await over;
    }
    expect(stage.targets).toHaveLength(1);
    expect(stage.session.notes).toEqual([]);
    client.stream.destroy();
  });

  it('cancels the wait for a review instead, and the target hears nothing of it', async () => {
    const stage = new Stage({ session: { hold: () => true } });
    const { client, target, key } = await keyed(stage);
    client.send(front.query('delete t'));
    expect(await client.told(2)).toHaveLength(2);
    const { client: other, over } = stage.visit();
    other.send(packet(80877102, key));
    await over;
    expect(stage.targets).toHaveLength(1);
    expect(await target.asked(1)).toEqual(['Query REFUSED BY HOOPCTL']);
    target.send(back.error('42601', 'syntax'), back.ready());
    expect((await client.told(2))[0]).toMatch(/^ErrorResponse ERROR 57014 cancelled: the client cancelled/);
    client.stream.destroy();
  });

  it('finds nobody once the session is over', async () => {
    const stage = new Stage();
    const { client, target, key, over } = await keyed(stage);
    client.stream.destroy();
    target.stream.destroy();
    await over;
    const { client: other, over: answered } = stage.visit();
    other.send(packet(80877102, key));
    await answered;
    expect(stage.targets).toHaveLength(1);
  });
});

describe('a client that leaves while its statement is held', () => {
  it('cancels the review, and the statement never reaches the target', async () => {
    const stage = new Stage({ session: { hold: () => true }, limits: { closing_ms: 30 } });
    const { client, target, over } = await stage.talking();
    client.send(front.query('delete t'));
    await client.told(2);
    client.stream.destroy();
    await target.until((peer) => peer.ended || peer.closed);
    target.stream.end();
    await over;
    expect(stage.session.holds[0]?.cancelled).toBe('the client closed the connection');
    expect(target.bytes.toString('latin1')).not.toContain('delete');
  });
});
