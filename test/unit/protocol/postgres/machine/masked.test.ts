import { describe, expect, it } from 'vitest';
import { back, front, MASKED, planner, Talk, turn } from '../../../../conformance/postgres/kit.ts';

const SECRET = '123-45-6789';

describe('rows of a masked session', () => {
  it('are masked in the simple query, for the client and for the recording', () => {
    const talk = new Talk({ session: { ...MASKED, rows: 10 } });
    talk.client(front.query('select'));
    expect(
      talk.target(
        back.rows('id', 'ssn'),
        back.row('1', SECRET),
        back.row('2', null),
        back.complete('SELECT 2'),
        back.ready(),
      ),
    ).toEqual([
      'RowDescription 2',
      'DataRow 1|***********',
      'DataRow 2|',
      'CommandComplete SELECT 2',
      'ReadyForQuery I',
    ]);
    expect(talk.session.rows.map(({ values }) => values)).toEqual([
      ['1', '***********'],
      ['2', null],
    ]);
  });

  it('pass as they are when none of their columns is masked', () => {
    const talk = new Talk({ session: MASKED });
    talk.client(front.query('select'));
    const bytes = Buffer.concat([
      back.rows('id'),
      back.row('1'),
      back.row('2'),
      back.complete('SELECT 2'),
      back.ready(),
    ]);
    talk.machine.fromTarget(bytes);
    expect(talk.machine.toClient.take()).toBe(bytes);
  });

  it('are planned anew for each statement of a message', () => {
    const talk = new Talk({ session: MASKED });
    talk.client(front.query('select 1; select 2'));
    const told = talk.target(
      back.rows('id'),
      back.row(SECRET),
      back.complete('SELECT 1'),
      back.rows('ssn'),
      back.row(SECRET),
      back.complete('SELECT 1'),
      back.ready(),
    );
    expect(told[1]).toBe(`DataRow ${SECRET}`);
    expect(told[4]).toBe('DataRow ***********');
  });

  it('are described by a Describe of ours when the client sends none, whose answer it does not get', () => {
    const talk = new Talk({ session: MASKED });
    expect(talk.client(front.parse('', 'select'), front.bind('', ''), front.execute(''), front.sync())).toEqual([
      'Parse select',
      'Bind',
      'Describe P',
      'Execute',
      'Sync',
    ]);
    expect(
      talk.target(
        back.parsed(),
        back.bound(),
        back.rows('ssn'),
        back.row(SECRET),
        back.complete('SELECT 1'),
        back.ready(),
      ),
    ).toEqual(['ParseComplete', 'BindComplete', 'DataRow ***********', 'CommandComplete SELECT 1', 'ReadyForQuery I']);
  });

  it("are described by the client's own Describe of the portal", () => {
    const talk = new Talk({ session: MASKED });
    expect(talk.client(front.extended('select'))).toHaveLength(5);
    expect(
      talk.target(
        back.parsed(),
        back.bound(),
        back.rows('ssn'),
        back.row(SECRET),
        back.complete('SELECT 1'),
        back.ready(),
      ),
    ).toEqual([
      'ParseComplete',
      'BindComplete',
      'RowDescription 1',
      'DataRow ***********',
      'CommandComplete SELECT 1',
      'ReadyForQuery I',
    ]);
  });

  it('are described again for each Bind: a plan may have changed since', () => {
    const talk = new Talk({ session: MASKED });
    talk.client(front.parse('s', 'select'), front.describe('S', 's'), front.sync());
    talk.target(back.parsed(), back.parameters(), back.rows('id'), back.ready());
    expect(talk.client(front.bind('', 's'), front.execute(''), front.sync())).toEqual([
      'Bind',
      'Describe P',
      'Execute',
      'Sync',
    ]);
  });

  it('fail with the Describe of ours as they would have failed at Execute', () => {
    const talk = new Talk({ session: MASKED });
    talk.client(front.execute('nowhere'), front.sync());
    expect(talk.target(back.error('34000', 'portal does not exist', { F: 'postgres.c' }), back.ready())).toEqual([
      'ErrorResponse ERROR 34000 portal does not exist F=postgres.c',
      'ReadyForQuery I',
    ]);
    expect(talk.session.outcomes).toMatchObject([{ id: 1, status: 'error' }]);
  });

  it('wait for the catalogue, and nothing passes meanwhile', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const talk = new Talk({ session: MASKED, planner: planner(promise) });
    talk.client(front.query('select'));
    expect(talk.target(back.rows('ssn'), back.row(SECRET), back.complete('SELECT 1'))).toEqual(['RowDescription 1']);
    expect(talk.machine.targetWaits).toBe(true);
    expect(talk.target(back.ready())).toEqual([]);
    resolve();
    await turn();
    expect(talk.woken).toBe(1);
    expect(talk.toClient()).toEqual(['DataRow ***********', 'CommandComplete SELECT 1', 'ReadyForQuery I']);
  });

  it('are not asked for when what was pipelined before them has failed meanwhile', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const moved = () => promise.then(() => []);
    const talk = new Talk({ session: MASKED, planner: { ...planner(), moved: moved as never } });
    talk.client(front.parse('', 'select'), front.bind('', ''), front.execute(''), front.sync());
    expect(talk.target(back.error('22012', 'division by zero', { F: 'int.c' }))).toHaveLength(1);
    resolve();
    await turn();
    expect(talk.toTarget()).toEqual(['Sync']);
    expect(talk.target(back.ready())).toEqual(['ReadyForQuery I']);
    expect(talk.machine.ended).toBeUndefined();
    expect(talk.session.outcomes).toMatchObject([{ status: 'cancelled' }]);
  });

  it('are masked when the catalogue cannot be read, or the plan does not fit them', async () => {
    for (const columns of [() => Promise.reject(new Error('gone')), () => [], () => Promise.reject(SECRET)]) {
      const talk = new Talk({ session: MASKED, planner: { ...planner(), columns } });
      talk.client(front.query('select'));
      talk.machine.fromTarget(
        Buffer.concat([back.rows('id'), back.row(SECRET), back.complete('SELECT 1'), back.ready()]),
      );
      await turn();
      expect(talk.toClient()).toContain('DataRow ***********');
    }
    const talk = new Talk({
      session: MASKED,
      planner: {
        ...planner(),
        columns: () => {
          throw new Error('bug');
        },
      },
    });
    talk.client(front.query('select'));
    expect(talk.target(back.rows('id'), back.row(SECRET))[1]).toBe('DataRow ***********');
  });

  it('end the session when they have other fields than were described', () => {
    for (const row of [back.row('1', '2', SECRET), back.row('1')]) {
      const talk = new Talk({ session: MASKED });
      talk.client(front.query('select'));
      expect(talk.target(back.rows('id', 'ssn'), row).at(-1)).toMatch(
        /^ErrorResponse FATAL 08P01 the target sent a row of/,
      );
    }
  });

  it('end the session when they come without a description', () => {
    const talk = new Talk({ session: MASKED });
    talk.client(front.extended('insert'));
    expect(talk.target(back.parsed(), back.bound(), back.noData(), back.row(SECRET)).at(-1)).toMatch(
      /^ErrorResponse FATAL 08P01/,
    );
  });

  it('of EXECUTE and FETCH are planned by what was prepared or declared', () => {
    const asked = planner();
    const talk = new Talk({ session: MASKED, planner: asked });
    talk.client(front.query('prepare p as select 7'));
    talk.target(back.complete('PREPARE'), back.ready());
    talk.client(front.query('execute p'));
    talk.target(back.rows('id'), back.row('1'), back.complete('SELECT 1'), back.ready());
    expect(asked.asked[0]?.facts).toMatchObject([{ does: ['select'] }]);
    talk.client(front.query('begin; declare c cursor for select 8; fetch c'));
    talk.target(
      back.complete('BEGIN'),
      back.complete('DECLARE CURSOR'),
      back.rows('id'),
      back.row('1'),
      back.complete('FETCH 1'),
      back.ready('T'),
    );
    expect(asked.asked[1]?.facts).toMatchObject([{ does: ['select'] }]);
    talk.client(front.query('fetch unknown'));
    talk.target(back.rows('id'), back.row('1'), back.complete('FETCH 1'), back.ready('T'));
    expect(asked.asked[2]).toBeUndefined();
  });

  it('are planned anew after DDL, and after its transaction', () => {
    const asked = planner();
    const talk = new Talk({ session: MASKED, planner: asked });
    talk.client(front.query('create view v as select'));
    talk.target(back.complete('CREATE VIEW'), back.ready());
    expect(asked.invalidated).toBe(2);
  });
});

describe('a statement that would move masked values', () => {
  const moving = (name: string) => ({
    ...planner(),
    moved: () => [{ name, origins: [{ schema: 'public', relation: 't', column: name }], textual: true }],
  });

  it('is refused before it runs, by the mask', () => {
    const talk = new Talk({ session: MASKED, planner: moving('ssn') });
    expect(talk.client(front.query('insert into x select ssn'))).toEqual(['Query REFUSED BY HOOPCTL']);
    expect(talk.target(back.error('42601', 'syntax'), back.ready())[0]).toMatch(
      /^ErrorResponse ERROR 42501 refused by mask "pii": the statement would take masked values/,
    );
    expect(talk.session.outcomes).toMatchObject([{ id: 1, status: 'error', error: { code: '42501' } }]);
  });

  it('passes when nothing of what it moves is masked', () => {
    const talk = new Talk({ session: MASKED, planner: moving('id') });
    expect(talk.client(front.query('insert into x select id'))).toEqual(['Query insert into x select id']);
  });

  it('is looked for in what an EXECUTE executes, and refused when that is not known', () => {
    const talk = new Talk({ session: MASKED });
    expect(talk.client(front.query('execute q'))).toEqual(['Query REFUSED BY HOOPCTL']);
  });

  it('waits for the catalogue, and is forwarded as recorded then', async () => {
    const talk = new Talk({ session: MASKED, planner: { ...planner(), moved: () => Promise.resolve([]) } });
    expect(talk.client(front.query('insert'), front.query('select'))).toEqual([]);
    talk.machine.takeDecided();
    await turn();
    expect(talk.machine.takeDecided()).toBe(true);
    expect(talk.toTarget()).toEqual(['Query insert', 'Query select']);
  });
});

describe('DDL that the catalogue cannot show yet', () => {
  it('is told to the planner from when it is sent until its transaction is over', () => {
    const asked: (boolean | undefined)[] = [];
    const told = planner();
    told.columns = (_analysis, _part, fields, context) => {
      asked.push(context.ddlPending);
      return fields.map((field) => ({ name: field.name, origins: [], textual: true }));
    };
    const talk = new Talk({ session: MASKED, planner: told });
    const select = (status: string) => {
      talk.client(front.query('select'));
      talk.target(back.rows('id'), back.row('1'), back.complete('SELECT 1'), back.ready(status));
    };
    select('I');
    talk.client(front.query('begin; create table x'));
    talk.target(back.complete('BEGIN'), back.complete('CREATE TABLE'), back.ready('T'));
    select('T');
    talk.client(front.query('commit'));
    talk.target(back.complete('COMMIT'), back.ready('I'));
    select('I');
    talk.client(front.query('create table y; select'));
    talk.target(
      back.complete('CREATE TABLE'),
      back.rows('id'),
      back.row('1'),
      back.complete('SELECT 1'),
      back.ready('I'),
    );
    expect(asked).toEqual([false, true, false, true]);
  });
});

describe('texts of a masked session', () => {
  const withheld = (code: string) => `SQLSTATE ${code}: the server's text is withheld, masks apply here`;

  it('keep code and severity, and lose every value', () => {
    const talk = new Talk({ session: MASKED });
    talk.client(front.query('select ssn'));
    const told = talk.target(
      back.notice(`got ${SECRET}`, { F: 'pl_exec.c' }),
      back.error('22P02', `invalid input syntax for type integer: "${SECRET}"`, {
        D: SECRET,
        H: SECRET,
        W: SECRET,
        q: SECRET,
        P: '8',
        F: 'numutils.c',
      }),
      back.ready(),
    );
    expect(told).toEqual([
      `NoticeResponse NOTICE 00000 ${withheld('00000')} F=pl_exec.c`,
      `ErrorResponse ERROR 22P02 ${withheld('22P02')} P=8 F=numutils.c`,
      'ReadyForQuery I',
    ]);
    expect(talk.session.outcomes).toMatchObject([{ error: { code: '22P02', message: withheld('22P02') } }]);
  });

  it('keep a message about names that the parser wrote, but not one that a function made of them', () => {
    const talk = new Talk({ session: MASKED });
    talk.client(front.query('select'), front.query('select'));
    expect(
      talk.target(
        back.error('42P01', 'relation "nope" does not exist', { P: '15', F: 'parse_relation.c' }),
        back.ready(),
        back.error('42703', `column "${SECRET}" does not exist`, { F: 'parse_relation.c', W: 'PL/pgSQL function f()' }),
      ),
    ).toEqual([
      'ErrorResponse ERROR 42P01 relation "nope" does not exist P=15 F=parse_relation.c',
      'ReadyForQuery I',
      `ErrorResponse ERROR 42703 ${withheld('42703')} F=parse_relation.c`,
    ]);
  });

  it('keep what is said of a constant of the text, of a constraint by its name, and what is always the same', () => {
    const talk = new Talk({ session: MASKED });
    talk.client(...Array.from({ length: 5 }, () => front.query('select')));
    const of = (value: string) => `invalid input syntax for type integer: "${value}"`;
    const told = talk.target(
      back.error('22P02', of('x'), { P: '8', F: 'numutils.c', D: 'detail' }),
      back.ready(),
      back.error('22P02', of(SECRET), { F: 'numutils.c', D: SECRET }),
      back.ready(),
      back.error('22P02', of(SECRET), { P: '8', F: 'somebody.c' }),
      back.ready(),
      back.error('23514', 'new row violates check "c"', { F: 'execMain.c', D: `Failing row contains (${SECRET}).` }),
      back.ready(),
      back.error('22012', 'division by zero', { F: 'int.c', D: SECRET }),
      back.ready(),
    );
    expect(told.filter((line) => line.startsWith('E'))).toEqual([
      `ErrorResponse ERROR 22P02 ${of('x')} P=8 F=numutils.c D=detail`,
      `ErrorResponse ERROR 22P02 ${withheld('22P02')} F=numutils.c`,
      `ErrorResponse ERROR 22P02 ${withheld('22P02')} P=8 F=somebody.c`,
      'ErrorResponse ERROR 23514 new row violates check "c" F=execMain.c',
      'ErrorResponse ERROR 22012 division by zero F=int.c',
    ]);
  });

  // `ssn::regclass`, `ssn::regtype`, `nextval(ssn)`, a NOTICE that a name was cut: all at run time, at no place in the text.
  it.each([
    ['namespace.c', '42P01', `relation "${SECRET}" does not exist`],
    ['parse_type.c', '42704', `type "x${SECRET}" does not exist`],
    ['scansup.c', '42622', `identifier "${SECRET}" will be truncated to "${SECRET}"`],
  ])('lose a name that a value was taken for: %s', (file, code, message) => {
    const talk = new Talk({ session: MASKED });
    talk.client(front.query('select'));
    const told = talk.target(back.notice(message, { F: file }), back.error(code, message, { F: file }));
    expect(told.join()).not.toContain(SECRET);
  });

  it('lose the names and the SQLSTATE that a RAISE makes up', () => {
    const talk = new Talk({ session: MASKED });
    talk.client(front.query('select'), front.query('select'));
    const names = { s: SECRET, t: SECRET, c: SECRET, d: SECRET, n: SECRET, F: 'pl_exec.c' };
    const told = talk.target(back.error('12345', 'no', names), back.ready(), back.error('23505', 'no', names));
    expect(told.join()).not.toContain(SECRET);
    expect(told[0]).toContain('ErrorResponse ERROR P0001');
    expect(told[2]).toContain('ErrorResponse ERROR 23505');
    expect(talk.session.outcomes[0]?.error?.code).toBe('P0001');
  });

  it('do not trust the SQLSTATE that a RAISE claims', () => {
    const talk = new Talk({ session: MASKED });
    talk.client(front.query('select'));
    expect(talk.target(back.error('42P01', SECRET, { F: 'pl_exec.c' })).join()).not.toContain(SECRET);
  });

  it('take the payload out of notifications', () => {
    const talk = new Talk({ session: MASKED });
    expect(talk.target(back.notification('c', SECRET))).toEqual(['NotificationResponse \u0007c']);
  });

  it('are as the server wrote them where nothing is masked', () => {
    const talk = new Talk();
    expect(talk.target(back.notice(SECRET, { D: 'detail' }))).toEqual([
      `NoticeResponse NOTICE 00000 ${SECRET} D=detail`,
    ]);
  });
});

describe('FunctionCall in a masked session', () => {
  it('is refused even where it is allowed', () => {
    const talk = new Talk({ session: MASKED, allowFunctionCall: true });
    expect(talk.client(front.functionCall(1))).toEqual(['Query REFUSED BY HOOPCTL']);
  });
});
