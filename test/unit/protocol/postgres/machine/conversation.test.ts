import { describe, expect, it } from 'vitest';
import { limit } from '../../../../../src/core/limits.ts';
import { back, front, message, Talk } from '../../../../conformance/postgres/kit.ts';

describe('a simple query', () => {
  it('passes both ways as it is, with its outcome on record', () => {
    const talk = new Talk();
    expect(talk.client(front.query('select 1'))).toEqual(['Query select 1']);
    expect(talk.target(back.rows('a'), back.row('1'), back.complete('SELECT 1'), back.ready())).toEqual([
      'RowDescription 1',
      'DataRow 1',
      'CommandComplete SELECT 1',
      'ReadyForQuery I',
    ]);
    expect(talk.session.operations).toMatchObject([{ id: 1, kind: 'query', text: 'select 1', verdict: 'allow' }]);
    expect(talk.session.outcomes).toEqual([
      { id: 1, part: 0, status: 'ok', tag: 'SELECT 1', rows: 1, bytes: back.row('1').length, error: undefined },
    ]);
    expect(talk.machine.busy).toBe(false);
  });

  it('forwards the very bytes it was given, not a copy', () => {
    const talk = new Talk();
    const sent = front.query('select 1');
    talk.machine.fromClient(sent);
    expect(talk.machine.toTarget.take()).toBe(sent);
    const answer = Buffer.concat([
      back.rows('a'),
      back.row('1'),
      back.row('2'),
      back.complete('SELECT 2'),
      back.ready(),
    ]);
    talk.machine.fromTarget(answer);
    expect(talk.machine.toClient.take()).toBe(answer);
  });

  it('gives each statement of one message its own outcome', () => {
    const talk = new Talk();
    talk.client(front.query('select 1; update t; select 3'));
    talk.target(
      back.rows('a'),
      back.row('1'),
      back.complete('SELECT 1'),
      back.complete('UPDATE 7'),
      back.error('22012', 'division by zero'),
      back.ready(),
    );
    expect(talk.session.outcomes).toMatchObject([
      { id: 1, part: 0, status: 'ok', tag: 'SELECT 1', rows: 1 },
      { id: 1, part: 1, status: 'ok', tag: 'UPDATE 7', rows: 7 },
      { id: 1, part: 2, status: 'error', error: { code: '22012', message: 'division by zero' } },
    ]);
  });

  it('calls what follows a failed statement of the same message cancelled', () => {
    const talk = new Talk();
    talk.client(front.query('select 1; select 2; select 3'));
    talk.target(back.error('22012', 'division by zero'), back.ready());
    expect(talk.session.outcomes.map((outcome) => [outcome.part, outcome.status])).toEqual([
      [0, 'error'],
      [1, 'cancelled'],
      [2, 'cancelled'],
    ]);
  });

  it('calls a statement that the server cancelled cancelled', () => {
    const talk = new Talk();
    talk.client(front.query('select 1'));
    talk.target(back.error('57014', 'canceling statement due to user request'), back.ready());
    expect(talk.session.outcomes).toMatchObject([{ status: 'cancelled', error: { code: '57014' } }]);
  });

  it('has one outcome for all that a text runs which it cannot read', () => {
    const ran = (...answers: Buffer[]) => {
      const talk = new Talk({ session: { rows: 9 } });
      talk.client(front.query('bad, but the server reads it'));
      talk.target(back.rows('a'), back.row('1'), back.row('2'), back.complete('SELECT 2'), ...answers);
      return { outcomes: talk.session.outcomes, rows: talk.session.rows.map(({ part, values }) => [part, ...values]) };
    };
    const more = [back.complete('INSERT 0 3'), back.complete('BEGIN'), back.rows('b'), back.row('3')];
    const rows = [
      [0, '1'],
      [0, '2'],
      [0, '3'],
    ];
    expect(ran(...more, back.complete('SELECT 1'), back.ready())).toMatchObject({
      outcomes: [{ part: 0, status: 'ok', tag: 'SELECT 2; INSERT 0 3; BEGIN; SELECT 1', rows: 6 }],
      rows,
    });
    expect(ran(...more, back.error('22012', 'division by zero'), back.ready())).toMatchObject({
      outcomes: [{ part: 0, status: 'error', rows: 3, error: { code: '22012' } }],
      rows,
    });
    const many = Array.from({ length: 14 }, () => back.complete('BEGIN'));
    expect(ran(...many, back.ready()).outcomes[0]?.tag).toMatch(/^SELECT 2(; BEGIN){9}; and 5 more$/);
  });

  it('has an error of tens of megabytes on record by its beginning, and for the client as it is', () => {
    const talk = new Talk();
    const long = `${'x'.repeat(64 * 1024 - 1)}é${'y'.repeat(1024 * 1024)}`;
    const said = Buffer.concat([back.notice(long), back.error('P0001', long, { D: long, H: 'short' }), back.ready()]);
    talk.client(front.query('select raised()'));
    talk.machine.fromTarget(said);
    expect(talk.machine.toClient.take()).toEqual(said);
    const shortened = `${'x'.repeat(64 * 1024 - 1)}… (${Buffer.byteLength(long)} bytes)`;
    expect(talk.session.outcomes).toMatchObject([
      { status: 'error', error: { code: 'P0001', message: shortened, detail: shortened, hint: 'short' } },
    ]);
    expect(talk.session.notes).toMatchObject([{ kind: 'notice', fields: { message: shortened } }]);
  });

  it('takes an empty text', () => {
    const talk = new Talk();
    expect(talk.client(front.query(''))).toEqual(['Query']);
    expect(talk.target(back.empty(), back.ready())).toEqual(['EmptyQueryResponse', 'ReadyForQuery I']);
    expect(talk.session.outcomes).toMatchObject([{ id: 1, part: 0, status: 'ok' }]);
    expect(talk.machine.ended).toBeUndefined();
  });
});

describe('an extended query', () => {
  it('is decided once, at Execute, with the bind values', () => {
    const talk = new Talk();
    expect(talk.client(front.extended('select $1', ['x', null] as string[]))).toEqual([
      'Parse select $1',
      'Bind',
      'Describe P',
      'Execute',
      'Sync',
    ]);
    expect(talk.session.operations).toMatchObject([{ kind: 'execute', text: 'select $1', params: ['x', null] }]);
    talk.target(back.parsed(), back.bound(), back.rows('a'), back.row('x'), back.complete('SELECT 1'), back.ready());
    expect(talk.session.outcomes).toMatchObject([{ id: 1, status: 'ok', rows: 1 }]);
  });

  it('records binary values as hex', () => {
    const talk = new Talk();
    const bind = message('B', (w) =>
      w.string('').string('').int16(1).int16(1).int16(1).int32(2).int16(0x0a0b).int16(0),
    );
    talk.client(front.parse('', 'select $1'), bind, front.execute(''), front.sync());
    expect(talk.session.operations[0]?.params).toEqual(['\\x0a0b']);
  });

  it('tells how values are to be read, and differs in what decides what runs', () => {
    const ran = (types: number[], format: number, value: Buffer, results: number[] = []) => {
      const talk = new Talk({ session: { ruled: true } });
      const parse = message('P', (w) => {
        w.string('').string('select $1').int16(types.length);
        for (const type of types) w.int32(type);
      });
      const bind = message('B', (w) => {
        w.string('').string('').int16(1).int16(format).int16(1).int32(value.length).bytes(value).int16(results.length);
        for (const result of results) w.int16(result);
      });
      talk.client(parse, bind, front.execute(''), front.sync());
      const { params, forms, exact } = talk.session.operations[0]!;
      return { params, forms, exact };
    };
    const value = Buffer.from([0x41, 0x42, 0x43, 0x44]);
    const all = [
      [ran([], 0, value), ['ABCD'], undefined],
      [ran([0], 0, value), ['ABCD'], undefined],
      [ran([25], 0, value), ['ABCD'], ['text']],
      [ran([], 1, value), ['\\x41424344'], ['binary']],
      [ran([23], 1, value), ['\\x41424344'], ['int4, binary']],
      [ran([700], 1, value), ['\\x41424344'], ['float4, binary']],
      [ran([54_321], 1, value), ['\\x41424344'], ['type 54321, binary']],
      [ran([], 0, Buffer.from('\\x41424344')), ['\\x41424344'], undefined],
      [ran([], 0, Buffer.from([0x41, 0xff])), ['\\x41ff'], ['text that is not UTF-8, as hex']],
      [ran([], 0, value, [1]), ['ABCD'], undefined],
    ] as const;
    for (const [{ params, forms }, shown, how] of all) expect([params, forms]).toEqual([shown, how]);
    expect(new Set(all.map(([{ exact }]) => exact)).size).toBe(all.length);
    expect(ran([23], 1, value).exact).toBe(ran([23], 1, value).exact);
  });

  it('pairs 50 pipelined statements with 50 outcomes', () => {
    const talk = new Talk();
    const requests: Buffer[] = [];
    const answers: Buffer[] = [];
    for (let i = 0; i < 50; i++) {
      requests.push(front.parse('', `select ${i}`), front.bind('', ''), front.execute(''));
      answers.push(back.parsed(), back.bound());
      for (let row = 0; row < i % 3; row++) answers.push(back.row(String(i)));
      answers.push(back.complete(`SELECT ${i % 3}`));
    }
    talk.client(...requests, front.sync());
    talk.target(...answers, back.ready());
    expect(talk.session.operations.map((operation) => operation.text)).toEqual(
      Array.from({ length: 50 }, (_, i) => `select ${i}`),
    );
    expect(talk.session.outcomes.map(({ id, rows }) => [id, rows])).toEqual(
      Array.from({ length: 50 }, (_, i) => [i + 1, i % 3]),
    );
  });

  it('goes on with a suspended portal without asking again, and has one outcome', () => {
    const talk = new Talk();
    talk.client(front.parse('', 'select 1'), front.bind('p', ''), front.execute('p', 1), front.flush());
    talk.target(back.parsed(), back.bound(), back.row('1'), back.suspended());
    talk.client(front.execute('p', 1), front.sync());
    expect(talk.session.outcomes).toEqual([]);
    talk.target(back.row('2'), back.complete('SELECT 1'), back.ready());
    expect(talk.session.operations).toHaveLength(1);
    expect(talk.session.outcomes).toMatchObject([{ id: 1, status: 'ok', rows: 2, tag: 'SELECT 1' }]);
  });

  it('tells the outcome of a portal that was never read to its end', () => {
    const talk = new Talk();
    talk.client(front.parse('', 'select 1'), front.bind('p', ''), front.execute('p', 1), front.sync());
    talk.target(back.parsed(), back.bound(), back.row('1'), back.suspended(), back.ready());
    expect(talk.session.outcomes).toMatchObject([{ id: 1, status: 'ok', rows: 1, tag: 'PORTAL CLOSED' }]);
  });

  it('tells it when SQL closes the portal, or the session ends', () => {
    for (const how of ['close', 'close all', 'end']) {
      const talk = new Talk();
      talk.client(front.parse('', 'select 1'), front.bind('p', ''), front.execute('p', 1), front.flush());
      talk.target(back.parsed(), back.bound(), back.row('1'), back.suspended());
      if (how === 'end') talk.machine.end({ code: 'client_closed', message: 'the client closed the connection' });
      else {
        talk.client(front.extended(how === 'close' ? 'close p' : how));
        talk.target(back.parsed(), back.bound(), back.noData(), back.complete('CLOSE CURSOR'), back.ready('T'));
      }
      expect(talk.session.outcomes.find(({ id }) => id === 1)).toMatchObject({ rows: 1, tag: 'PORTAL CLOSED' });
    }
  });

  it('fails together with everything up to Sync, and works again after it', () => {
    const talk = new Talk();
    talk.client(front.extended('select 1'), front.extended('select 2'));
    expect(talk.target(back.parsed(), back.error('42P01', 'no such table'), back.ready())).toEqual([
      'ParseComplete',
      'ErrorResponse ERROR 42P01 no such table',
      'ReadyForQuery I',
    ]);
    talk.target(back.parsed(), back.bound(), back.rows('a'), back.row('2'), back.complete('SELECT 1'), back.ready());
    expect(talk.session.outcomes).toMatchObject([
      { id: 1, status: 'error', error: { code: '42P01', message: 'no such table' } },
      { id: 2, status: 'ok' },
    ]);
    expect(talk.session.notes).toEqual([]);
  });

  it('tells the error of that statement of a batch that had it', () => {
    for (const [at, answers] of [
      [1, [back.error('42601', 'no')]],
      [2, [back.parsed(), back.bound(), back.complete('SELECT 1'), back.parsed(), back.error('22P02', 'no')]],
    ] as const) {
      const talk = new Talk();
      const each = ['select 1', 'select 2'].flatMap((text, i) => [
        front.parse(`s${i}`, text),
        front.bind(`p${i}`, `s${i}`),
        front.execute(`p${i}`),
      ]);
      talk.client(...each, front.sync());
      talk.target(...answers, back.ready());
      expect(talk.session.outcomes.map(({ id, status }) => [id, status])).toEqual(
        at === 1
          ? [
              [1, 'error'],
              [2, 'cancelled'],
            ]
          : [
              [1, 'ok'],
              [2, 'error'],
            ],
      );
    }
  });

  it('sends nothing on that the server would ignore before Sync, and decides none of it', () => {
    const talk = new Talk();
    talk.client(front.parse('', 'select 1'), front.flush());
    talk.target(back.error('42601', 'syntax error'));
    expect(
      talk.client(
        front.bind('', ''),
        front.execute(''),
        front.query('select 2'),
        front.sync(),
        front.query('select 3'),
      ),
    ).toEqual(['Sync', 'Query select 3']);
    expect(talk.session.operations.map((operation) => operation.text)).toEqual(['select 3']);
    const fields = { code: '42601', message: 'syntax error', text: 'select 1' };
    expect(talk.session.notes).toEqual([{ kind: 'error', fields }]);
  });

  it('takes the error of a commit at Sync', () => {
    const talk = new Talk();
    talk.client(front.extended('insert'));
    const told = talk.target(
      back.parsed(),
      back.bound(),
      back.noData(),
      back.complete('INSERT 0 1'),
      back.error('23503', 'deferred'),
      back.ready(),
    );
    expect(told.slice(-2)).toEqual(['ErrorResponse ERROR 23503 deferred', 'ReadyForQuery I']);
    expect(talk.session.notes).toEqual([{ kind: 'error', fields: { code: '23503', message: 'deferred', at: 'sync' } }]);
    expect(talk.machine.ended).toBeUndefined();
  });
});

describe('what comes unasked', () => {
  it('passes between and inside answers', () => {
    const talk = new Talk();
    expect(talk.target(back.notification('c', 'hello'), back.parameter('TimeZone', 'UTC'))).toEqual([
      'NotificationResponse \u0007c hello',
      'ParameterStatus TimeZone UTC',
    ]);
    talk.client(front.query('select 1'));
    expect(
      talk.target(back.rows('a'), back.notice('psst'), back.row('1'), back.complete('SELECT 1'), back.ready()),
    ).toHaveLength(5);
    expect(talk.machine.ended).toBeUndefined();
  });

  it('may be the server saying goodbye', () => {
    const talk = new Talk();
    expect(talk.target(back.error('57P01', 'terminating connection', { V: 'FATAL' }))).toEqual([
      'ErrorResponse FATAL 57P01 terminating connection',
    ]);
    expect(talk.machine.farewell).toBe(true);
    expect(talk.session.notes).toEqual([
      { kind: 'error', fields: { code: '57P01', message: 'terminating connection' } },
    ]);
  });
});

describe('what is not legal', () => {
  it('ends the session when the target sends what is not owed', () => {
    for (const [sent, name] of [
      [back.row('1'), 'DataRow'],
      [back.ready(), 'ReadyForQuery'],
      [back.parsed(), 'ParseComplete'],
      [message('q'), "message type 0x71 ('q')"],
    ] as const) {
      const talk = new Talk();
      expect(talk.target(sent)).toEqual([
        `ErrorResponse FATAL 08P01 the target sent ${name} while idle was expected D=session s-test`,
      ]);
      expect(talk.machine.ended?.code).toBe('protocol_violation');
    }
  });

  it('ends the session when rows come without a description', () => {
    const talk = new Talk();
    talk.client(front.query('select 1'));
    expect(talk.target(back.row('1'))).toEqual([
      'ErrorResponse FATAL 08P01 the target sent DataRow while query was expected D=session s-test',
    ]);
  });

  it('refuses a message type of the client that is not known, by name', () => {
    const talk = new Talk();
    expect(talk.client(message('p', (w) => w.string('x')))).toEqual([]);
    expect(talk.toClient()).toEqual([
      'ErrorResponse FATAL 0A000 the client sent Password, which is not supported here D=session s-test',
    ]);
    const other = new Talk();
    other.client(message(0x01));
    expect(other.machine.ended?.message).toBe('the client sent message type 0x01, which is not supported here');
  });

  it('refuses a malformed message and forwards nothing of it', () => {
    for (const sent of [
      message('Q', (w) => w.bytes(Buffer.from('no end'))),
      message('Q', (w) => w.string('select 1').string('; drop table t')),
      message('B', (w) => w.string('').string('').int16(1)),
      message('B', (w) => w.string('').string('').int16(0).int16(1).int32(-2)),
      message('D', (w) => w.uint8(0x58).string('')),
      message('E', (w) => w.string('')),
    ]) {
      const talk = new Talk();
      expect(talk.client(sent)).toEqual([]);
      expect(talk.machine.ended?.code).toBe('protocol_violation');
      expect(talk.session.operations).toEqual([]);
    }
  });

  it('refuses a length over the limit before the body is there', () => {
    const talk = new Talk({ limits: { inspected: limit('inspected_message_bytes', 'bytes', 1000) } });
    const header = Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff]);
    talk.client(header);
    expect(talk.machine.ended?.code).toBe('limit_exceeded');
    expect(talk.toClient()[0]).toMatch(
      /^ErrorResponse FATAL 54000 inspected_message_bytes is 2147483648 bytes, over the limit of 1000/,
    );
  });

  it('takes nothing more after the end', () => {
    const talk = new Talk();
    talk.machine.end({ code: 'session_killed', message: 'killed by an admin' });
    expect(talk.toClient()).toEqual(['ErrorResponse FATAL 57P01 killed by an admin D=session s-test']);
    expect(talk.client(front.query('select 1'))).toEqual([]);
    expect(talk.target(back.ready())).toEqual([]);
  });

  it('reads no further than the limit on unanswered requests', () => {
    const talk = new Talk({ limits: { pipelined: limit('pipelined_requests', 'count', 3) } });
    expect(talk.client(...Array.from({ length: 5 }, () => front.sync()))).toEqual(['Sync', 'Sync', 'Sync', 'Flush']);
    talk.target(back.ready(), back.ready(), back.ready());
    expect(talk.toTarget()).toEqual(['Sync', 'Sync']);
  });
});

describe('the end', () => {
  it('passes Terminate and takes nothing more', () => {
    const talk = new Talk();
    expect(talk.client(front.terminate(), front.query('select 1'))).toEqual(['Terminate']);
    expect(talk.machine.clientDone).toBe(true);
  });

  it('leaves what was not answered with an unknown outcome', () => {
    const talk = new Talk();
    talk.client(front.query('select 1; select 2'), front.extended('select 3'));
    talk.target(back.rows('a'), back.complete('SELECT 0'));
    talk.machine.end({ code: 'target_closed', message: 'the target closed the connection' });
    expect(talk.session.outcomes.map(({ id, part, status }) => [id, part, status])).toEqual([
      [1, 0, 'ok'],
      [1, 1, 'unknown'],
      [2, 0, 'unknown'],
    ]);
  });
});

describe('FunctionCall', () => {
  it('is refused by name, and the session goes on', () => {
    const talk = new Talk();
    expect(talk.client(front.functionCall(1598))).toEqual(['Query REFUSED BY HOOPCTL']);
    expect(talk.target(back.error('42601', 'syntax error'), back.ready())).toEqual([
      'ErrorResponse ERROR 0A000 FunctionCall is refused here D=session s-test H=call the function in a SELECT, or have options.allow: [function-call] set for the connection',
      'ReadyForQuery I',
    ]);
    expect(talk.session.operations).toEqual([]);
    expect(talk.session.notes).toMatchObject([{ kind: 'refused', fields: { function: 1598 } }]);
  });

  it('is decided as an opaque operation where it is allowed', () => {
    const talk = new Talk({ allowFunctionCall: true });
    expect(talk.client(front.functionCall(1598))[0]).toMatch(/^FunctionCall/);
    expect(talk.session.operations).toMatchObject([
      { kind: 'function-call', params: [], parts: [{ opaque: 'a function call by number' }] },
    ]);
    expect(talk.target(back.functionResult(), back.ready())).toHaveLength(2);
    expect(talk.session.outcomes).toMatchObject([{ id: 1, status: 'ok' }]);
  });
});
