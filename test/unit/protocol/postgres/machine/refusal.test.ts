import { describe, expect, it } from 'vitest';
import { back, front, MASKED, Talk, turn } from '../../../../conformance/postgres/kit.ts';

const deny = ({ text }: { text: string }) => (text.includes('drop') ? 'no-drop' : undefined);
const REFUSED = 'ErrorResponse ERROR 42501 refused by rule "no-drop" D=session s-test H=use a migration';
const syntaxError = back.error('42601', 'syntax error at or near "REFUSED"');

describe('a refused statement', () => {
  it('is replaced by one that fails in the server, whose error is replaced by ours', () => {
    const talk = new Talk({ session: { ruled: true, deny } });
    expect(talk.client(front.query('drop table t'))).toEqual(['Query REFUSED BY HOOPCTL']);
    expect(talk.target(syntaxError, back.ready('E'))).toEqual([REFUSED, 'ReadyForQuery E']);
    expect(talk.session.outcomes).toEqual([]);
  });

  it('leaves the ones around it in the same stream alone', () => {
    const talk = new Talk({ session: { ruled: true, deny } });
    expect(talk.client(front.query('select 1'), front.query('drop table t'), front.query('select 2'))).toEqual([
      'Query select 1',
      'Query REFUSED BY HOOPCTL',
      'Query select 2',
    ]);
    expect(
      talk.target(
        back.complete('SELECT 1'),
        back.ready(),
        syntaxError,
        back.ready(),
        back.complete('SELECT 1'),
        back.ready(),
      ),
    ).toEqual([
      'CommandComplete SELECT 1',
      'ReadyForQuery I',
      REFUSED,
      'ReadyForQuery I',
      'CommandComplete SELECT 1',
      'ReadyForQuery I',
    ]);
    expect(talk.session.outcomes.map(({ id }) => id)).toEqual([1, 3]);
  });

  it('takes all statements of its message with it', () => {
    const talk = new Talk({ session: { ruled: true, deny } });
    expect(talk.client(front.query('select 1; drop table t'))).toEqual(['Query REFUSED BY HOOPCTL']);
  });

  it('is told at Parse where that is certain, and the rest up to Sync is neither sent nor decided', () => {
    const talk = new Talk({ session: { ruled: true, deny } });
    expect(talk.client(front.extended('drop table t'))).toEqual(['Parse REFUSED BY HOOPCTL', 'Sync']);
    expect(talk.target(syntaxError, back.ready())).toEqual([REFUSED, 'ReadyForQuery I']);
    expect(talk.session.operations).toMatchObject([{ kind: 'parse', verdict: 'deny' }]);
    expect(talk.client(front.extended('select 1'))).toHaveLength(5);
  });

  it('keeps the name of a refused Parse, so that what is prepared under it stays what it was', () => {
    const talk = new Talk({ session: { ruled: true, deny } });
    expect(talk.client(front.parse('s', 'drop table t'), front.sync())).toEqual(['Parse s REFUSED BY HOOPCTL', 'Sync']);
    talk.target(syntaxError, back.ready());
    talk.client(front.bind('', 's'), front.execute(''), front.sync());
    expect(talk.session.operations.at(-1)?.parts[0]?.opaque).toBe(
      'a prepared statement "s" that the gateway did not see made',
    );
  });

  it('is replaced at Execute by a Parse of a reserved name, which fails the pipeline as the statement would', () => {
    let denying = false;
    const talk = new Talk({
      session: { ruled: true, deny: ({ text }) => (denying && text.includes('drop') ? 'no-drop' : undefined) },
    });
    talk.client(front.parse('s', 'drop table t'), front.sync());
    talk.target(back.parsed(), back.ready());
    denying = true;
    expect(talk.client(front.bind('', 's'), front.execute(''), front.extended('select 1'))).toEqual([
      'Bind',
      'Parse hoopctl_refused REFUSED BY HOOPCTL',
      'Sync',
    ]);
    expect(talk.target(back.bound(), syntaxError, back.ready('E'))).toEqual([
      'BindComplete',
      REFUSED,
      'ReadyForQuery E',
    ]);
  });

  it('does not hide the end of the connection behind our words', () => {
    const talk = new Talk({ session: { ruled: true, deny } });
    talk.client(front.query('drop table t'));
    expect(talk.target(back.error('57P01', 'shutting down', { V: 'FATAL' }))).toEqual([
      'ErrorResponse FATAL 57P01 shutting down',
    ]);
  });
});

describe('a statement that cannot be read', () => {
  it('passes where no rule and no mask applies', () => {
    expect(new Talk().client(front.query('bad sql'))).toEqual(['Query bad sql']);
  });

  const raw = back.error('42601', 'syntax error at or near "bad"', { D: 'a detail', P: '1', F: 'scan.l' });
  const TRIED = ['Parse bad sql', 'Close S', 'Parse REFUSED BY HOOPCTL', 'Sync'];

  it('is told as the server itself tells it, noted and not decided', () => {
    for (const session of [{ ruled: true }, MASKED]) {
      const talk = new Talk({ session });
      expect(talk.client(front.query('bad sql'))).toEqual(TRIED);
      expect(talk.target(raw, back.ready())).toEqual([
        'ErrorResponse ERROR 42601 syntax error at or near "bad" D=a detail P=1 F=scan.l',
        'ReadyForQuery I',
      ]);
      expect(talk.session.operations).toEqual([]);
      expect(talk.session.notes).toMatchObject([{ kind: 'unreadable', fields: { text: 'bad sql' } }]);
      expect(talk.client(front.query('select 1'))).toEqual(['Query select 1']);
    }
  });

  it('is taken back and refused where the server can read it', () => {
    const talk = new Talk({ session: { ruled: true } });
    talk.client(front.query('bad sql'));
    expect(talk.target(back.parsed(), back.closed(), syntaxError, back.ready())).toEqual([
      expect.stringMatching(
        /^ErrorResponse ERROR 42601 syntax error at or near "bad" D=the gateway has to read .* P=1$/,
      ),
      'ReadyForQuery I',
    ]);
  });

  it('is refused where the server can read it and finds something else wrong with it', () => {
    const talk = new Talk({ session: { ruled: true } });
    talk.client(front.query('bad sql'));
    const missing = back.error('42P01', 'relation "t" does not exist', { F: 'parse_relation.c' });
    expect(talk.target(missing)[0]).toMatch(/^ErrorResponse ERROR 42601 .* D=the gateway has to read/);
  });

  it('is tried at Parse too, and what is behind it is ignored as the server ignores it', () => {
    const talk = new Talk({ session: { ruled: true } });
    expect(talk.client(front.extended('bad sql'))).toEqual(TRIED);
    expect(talk.target(raw, back.ready())).toHaveLength(2);
    const other = new Talk({ session: { ruled: true } });
    other.client(Buffer.concat([front.parse('s', 'bad sql'), front.sync()]));
    expect(other.target(back.parsed(), back.closed(), syntaxError, back.ready())).toHaveLength(2);
    expect(other.client(front.bind('', 's'))).toEqual(['Bind']);
  });

  it('lets nothing else pass for an answer', () => {
    const talk = new Talk({ session: { ruled: true } });
    talk.client(front.query('bad sql'));
    talk.target(back.closed());
    expect(talk.machine.ended?.code).toBe('protocol_violation');
  });
});

describe('what changes how SQL is read', () => {
  it('is refused where rules apply', () => {
    const talk = new Talk({ session: { ruled: true } });
    expect(talk.client(front.query('set standard_conforming_strings = off'))).toEqual(['Query REFUSED BY HOOPCTL']);
    expect(talk.client(front.query('set client_encoding to latin1'))).toEqual(['Query REFUSED BY HOOPCTL']);
    expect(talk.client(front.query('set client_encoding to utf-8'))).toEqual(['Query set client_encoding to utf-8']);
    expect(talk.client(front.query('set standard_conforming_strings = on'))).toHaveLength(1);
    expect(talk.target(syntaxError)[0]).toMatch(/42501 "standard_conforming_strings" cannot be changed here/);
  });

  it('passes where none does', () => {
    expect(new Talk().client(front.query('set standard_conforming_strings = off'))).toEqual([
      'Query set standard_conforming_strings = off',
    ]);
  });

  describe('and is not told yet', () => {
    // Without standard_conforming_strings the first string of this ends at the last quote: what is behind it runs.
    const TRICK = "select '\\', '; drop table t --'";

    it('lets nothing be read that it could change, at Parse and in a Query in the same batch', () => {
      const talk = new Talk({ session: { ruled: true } });
      const before = [front.parse('', 'select set_config()'), front.bind('', ''), front.execute('')];
      expect(talk.client(...before, front.parse('', TRICK), front.bind('', ''), front.execute(''))).toEqual([
        ...['Parse select set_config()', 'Bind', 'Execute', 'Flush'],
      ]);
      talk.target(back.parsed(), back.bound(), back.complete('SELECT 1'));
      expect(talk.toTarget()).toEqual(['Parse REFUSED BY HOOPCTL']);
      expect(talk.target(syntaxError)[0]).toMatch(/42501 a text with \\' in it is refused/);
      talk.client(front.sync());
      talk.target(back.ready());

      talk.client(...before, front.query(TRICK));
      talk.target(back.parsed(), back.bound(), back.complete('SELECT 1'));
      expect(talk.toTarget()).toEqual(['Query REFUSED BY HOOPCTL']);
    });

    it('is waited for where the server will tell', () => {
      const talk = new Talk({ session: { ruled: true } });
      expect(talk.client(front.query('select set_config()'), front.query(TRICK))).toEqual([
        ...['Query select set_config()', 'Flush'],
      ]);
      talk.target(back.complete('SELECT 1'), back.ready());
      expect(talk.toTarget()).toEqual([`Query ${TRICK}`]);
      talk.target(back.parameter('standard_conforming_strings', 'off'));
      expect(talk.machine.ended?.code).toBe('denied');
    });

    it('holds up no other text, and none where no rule applies', () => {
      const talk = new Talk({ session: { ruled: true } });
      const two = [front.query('select 1'), front.query("select '\\d'")];
      expect(talk.client(...two)).toHaveLength(2);
      expect(new Talk().client(front.query('select 1'), front.query(TRICK))).toHaveLength(2);
    });
  });

  it('ends the session when the server tells that it happened all the same', () => {
    for (const told of [
      back.parameter('standard_conforming_strings', 'off'),
      back.parameter('client_encoding', 'LATIN1'),
    ]) {
      const talk = new Talk({ session: { ruled: true } });
      talk.client(front.query('select set_config()'));
      talk.target(told);
      expect(talk.machine.ended?.code).toBe('denied');
      const free = new Talk();
      free.target(told);
      expect(free.machine.ended).toBeUndefined();
    }
  });
});

describe('a held statement', () => {
  const hold = ({ text }: { text: string }) => text.includes('delete');

  it('is told, stops the reading of the client, and goes on when it is approved', async () => {
    const talk = new Talk({ session: { hold } });
    expect(talk.client(front.query('delete t'), front.query('select 1'))).toEqual([]);
    expect(talk.toClient()).toEqual([
      'NoticeResponse NOTICE 00000 held for review r-1 by rule "careful"',
      'NoticeResponse NOTICE 00000 approve with: hoopctl reviews approve r-1',
    ]);
    talk.machine.takeDecided();
    talk.session.holds[0]?.settle({ verdict: 'allow', review: 'r-1' });
    await turn();
    expect(talk.machine.takeDecided()).toBe(true);
    expect(talk.toTarget()).toEqual(['Query delete t', 'Query select 1']);
  });

  it('is refused by substitution when the review says no', async () => {
    const talk = new Talk({ session: { hold } });
    talk.client(front.query('delete t'));
    talk.toClient();
    const refusal = { code: 'review_denied', message: 'bob said no', next: 'ask bob', session: 's-test' } as const;
    talk.session.holds[0]?.settle({ verdict: 'deny', refusal });
    await turn();
    expect(talk.toTarget()).toEqual(['Query REFUSED BY HOOPCTL']);
    expect(talk.target(syntaxError, back.ready())[0]).toBe(
      'ErrorResponse ERROR 42501 bob said no D=session s-test H=ask bob',
    );
  });

  it('is cancelled by the client as a running one would be', async () => {
    const talk = new Talk({ session: { hold } });
    talk.client(front.extended('delete t'));
    talk.toClient();
    expect(talk.machine.cancel('the client cancelled')).toBe(true);
    await turn();
    expect(talk.toTarget()).toEqual(['Parse hoopctl_refused REFUSED BY HOOPCTL', 'Sync']);
    const told = talk.target(back.parsed(), back.bound(), back.noData(), syntaxError, back.ready());
    expect(told.slice(3)).toEqual([
      'ErrorResponse ERROR 57014 cancelled: the client cancelled D=session s-test H=run it again',
      'ReadyForQuery I',
    ]);
    expect(talk.machine.cancel('again')).toBe(false);
  });

  it('tells between messages only, never inside one', () => {
    const talk = new Talk({ session: { hold } });
    talk.client(front.query('select 1'));
    const row = back.row('x'.repeat(100));
    talk.machine.fromTarget(Buffer.concat([back.rows('a'), row.subarray(0, 50)]));
    talk.client(front.query('delete t'));
    talk.machine.fromTarget(Buffer.concat([row.subarray(50), back.complete('SELECT 1'), back.ready()]));
    expect(talk.toClient().map((line) => line.slice(0, 30))).toEqual([
      'RowDescription 1',
      `DataRow ${'x'.repeat(22)}`,
      'NoticeResponse NOTICE 00000 he',
      'NoticeResponse NOTICE 00000 ap',
      'CommandComplete SELECT 1',
      'ReadyForQuery I',
    ]);
  });

  it('is not sent when the client is gone before the answer', async () => {
    const talk = new Talk({ session: { hold } });
    talk.client(front.query('delete t'));
    talk.machine.hangUp(front.terminate());
    talk.session.holds[0]?.settle({ verdict: 'allow' });
    await turn();
    expect(talk.toTarget()).toEqual(['Terminate']);
  });
});
