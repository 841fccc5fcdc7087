import { describe, expect, it } from 'vitest';
import { back, front, MASKED, planner, Talk, turn } from '../../../../conformance/postgres/kit.ts';

describe('COPY FROM STDIN', () => {
  it('passes data as it comes and pairs the outcome', () => {
    const talk = new Talk();
    expect(talk.client(front.query('copy t from stdin'))).toEqual(['Query copy t from stdin', 'Flush']);
    expect(talk.target(back.copyIn())[0]).toMatch(/^CopyInResponse/);
    expect(talk.client(front.copyData('1\n'), front.copyData('2\n'), front.copyDone())).toEqual([
      'CopyData 1',
      'CopyData 2',
      'CopyDone',
    ]);
    talk.target(back.complete('COPY 2'), back.ready());
    expect(talk.session.outcomes).toMatchObject([{ status: 'ok', tag: 'COPY 2', rows: 2 }]);
  });

  it('passes data of any length without collecting it', () => {
    const talk = new Talk();
    talk.client(front.query('copy t from stdin'));
    talk.target(back.copyIn());
    const data = front.copyData('x'.repeat(100_000));
    talk.machine.fromClient(data.subarray(0, 1000));
    expect(talk.machine.toTarget.take()?.length).toBe(1000);
    talk.machine.fromClient(data.subarray(1000));
    expect(talk.machine.toTarget.take()?.length).toBe(data.length - 1000);
  });

  it('keeps back what the client sends before the server has said that it reads a COPY', () => {
    const talk = new Talk();
    talk.client(front.query('copy t from stdin'), front.copyData('1\n'), front.copyDone());
    expect(talk.toTarget()).toEqual([]);
    talk.target(back.copyIn());
    expect(talk.toTarget()).toEqual(['CopyData 1', 'CopyDone']);
  });

  it('does not send the Sync and Flush that the server would ignore while it reads (libpq sends one early)', () => {
    const talk = new Talk();
    talk.client(front.extended('copy t from stdin'));
    talk.target(back.parsed(), back.bound(), back.noData(), back.copyIn());
    expect(talk.client(front.copyData('1\n'), front.flush(), front.copyDone(), front.sync())).toEqual([
      'CopyData 1',
      'CopyDone',
      'Sync',
    ]);
    expect(talk.target(back.complete('COPY 1'), back.ready())).toHaveLength(2);
    expect(talk.machine.busy).toBe(false);
  });

  it('goes on after data that the server refused, and after data that came too late', () => {
    const talk = new Talk();
    talk.client(front.query('copy t from stdin'));
    talk.target(back.copyIn());
    talk.client(front.copyData('bad\n'));
    talk.target(back.error('22P02', 'invalid input'), back.ready());
    expect(talk.client(front.copyData('more\n'), front.copyDone(), front.query('select 1'))).toEqual([
      'Query select 1',
    ]);
    expect(talk.session.outcomes).toMatchObject([{ status: 'error', error: { code: '22P02' } }]);
  });

  it('takes a request as one again once the server has failed the COPY', () => {
    const talk = new Talk();
    talk.client(front.query('copy t from stdin'));
    talk.target(back.copyIn(), back.error('22P02', 'invalid input'), back.ready());
    expect(talk.client(front.query('select 1'))).toEqual(['Query select 1']);
    talk.target(back.complete('SELECT 1'), back.ready());
    expect(talk.client(front.sync())).toEqual(['Sync']);
  });

  it('fails the COPY, as the server would, when another request comes inside it, and then takes the request', () => {
    const talk = new Talk();
    talk.client(front.query('copy t from stdin'));
    talk.target(back.copyIn());
    expect(talk.client(front.query('select 1'))).toEqual(['CopyFail another request was sent']);
    expect(talk.target(back.error('57014', 'COPY from stdin failed'), back.ready())).toEqual([
      'ErrorResponse ERROR 08P01 unexpected message type 0x51 during COPY from stdin',
      'ReadyForQuery I',
    ]);
    expect(talk.toTarget()).toEqual(['Query select 1']);
  });

  it('takes two COPYs in one message', () => {
    const talk = new Talk();
    talk.client(front.query('copy a from stdin; copy b from stdin'));
    talk.target(back.copyIn());
    talk.client(front.copyDone());
    talk.target(back.complete('COPY 0'), back.copyIn());
    talk.client(front.copyData('1\n'), front.copyDone());
    talk.target(back.complete('COPY 1'), back.ready());
    expect(talk.session.outcomes.map(({ part, tag }) => [part, tag])).toEqual([
      [0, 'COPY 0'],
      [1, 'COPY 1'],
    ]);
  });
});

describe('COPY TO STDOUT', () => {
  const rows = [
    back.copyOut(2),
    back.copyData('1\t123-45-6789\n'),
    back.copyData('2\t987-65-4321\n'),
    back.copyDone(),
    back.complete('COPY 2'),
    back.ready(),
  ];

  it('passes as it is, its rows recorded as far as they are wanted', () => {
    const talk = new Talk({ session: { rows: 1 } });
    talk.client(front.query('copy t to stdout'));
    const bytes = Buffer.concat(rows);
    talk.machine.fromTarget(bytes);
    expect(talk.machine.toClient.take()).toBe(bytes);
    expect(talk.session.rows).toEqual([{ id: 1, part: 0, values: ['1', '123-45-6789'] }]);
    expect(talk.session.outcomes).toMatchObject([{ status: 'ok', rows: 2 }]);
  });

  it('is masked, in what the client gets and in the recording', () => {
    const talk = new Talk({ session: { ...MASKED, rows: 10 } });
    talk.client(front.query('copy t to stdout'));
    expect(talk.target(...rows).slice(1, 3)).toEqual(['CopyData 1\t***********', 'CopyData 2\t***********']);
    expect(talk.session.rows.map(({ values }) => values)).toEqual([
      ['1', '***********'],
      ['2', '***********'],
    ]);
  });

  it('is refused before it runs when its columns cannot be known', async () => {
    const none = planner();
    none.copyColumns = () => Promise.reject(new Error('no catalogue'));
    const talk = new Talk({ session: MASKED, planner: none });
    expect(talk.client(front.query('copy t to stdout'))).toEqual([]);
    await turn();
    expect(talk.toTarget()).toEqual(['Query REFUSED BY HOOPCTL']);
    expect(talk.target(back.error('42601', 'syntax'), back.ready())[0]).toMatch(
      /^ErrorResponse ERROR XX000 no catalogue/,
    );
    expect(talk.session.outcomes).toMatchObject([{ status: 'error' }]);
  });

  it('ends the session when the server copies other columns than were planned', () => {
    const talk = new Talk({ session: MASKED });
    talk.client(front.query('copy t to stdout'));
    expect(talk.target(back.copyOut(3), back.copyData('1\t2\t123-45-6789\n'))).toHaveLength(1);
    expect(talk.machine.ended?.code).toBe('internal');
  });
});
