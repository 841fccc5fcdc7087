import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { cef } from '../../../../src/session/export/cef.ts';
import { CSV_HEADER, csv } from '../../../../src/session/export/csv.ts';
import { addressOf, type ExportEvent, gistOf } from '../../../../src/session/export/event.ts';
import { FORMATS, writerOf } from '../../../../src/session/export/formats.ts';
import { ocsf } from '../../../../src/session/export/ocsf.ts';
import { otlpRequest } from '../../../../src/session/export/otlp.ts';
import { framed, parameter, syslogMessage } from '../../../../src/session/export/syslog.ts';
import { OCSF_SCHEMA } from '../../../support/needs.ts';
import { OcsfSchema } from '../../../support/ocsf.ts';
import { repository } from '../../../support/process.ts';
import { effort } from '../../../support/property.ts';
import { EVENTS, HOSTILE, PRODUCT } from './corpus.ts';

const intents = EVENTS.filter(({ kind, fields }) => kind === 'intent' && fields.op === 1).slice(0, HOSTILE.length);
const json = writerOf('json', PRODUCT);

describe('an event', () => {
  it('has no rows unless they are asked for', () => {
    const result = EVENTS.find(({ kind }) => kind === 'result')!;
    expect(result.fields).not.toHaveProperty('values');
    expect(result.fields).toMatchObject({ rows: 3, kept: 3 });
  });

  it.each([
    ['127.0.0.1:51234', { ip: '127.0.0.1', port: 51234 }],
    ['[2001:db8::1]:7', { ip: '2001:db8::1', port: 7 }],
    ['2001:db8::1', { ip: '2001:db8::1', port: undefined }],
    ['10.0.0.1', { ip: '10.0.0.1', port: undefined }],
    ['::ffff:10.1.2.3:40001', { ip: '10.1.2.3', port: 40001 }],
    ['host.example.com:1', undefined],
  ])('has the address %s', (text, found) => {
    expect(addressOf(text)).toEqual(found);
  });

  it('says who it was, wherever the line has it', () => {
    const who = (kind: string) => EVENTS.filter((one) => one.kind === kind).map((one) => gistOf(one).who);
    expect(who('login')).toEqual(['alice@example.com', undefined, 'mallory']);
    expect(who('admin')).toEqual(['root@example.com']);
    const reviewer = { subject: 'okta|7', issuer: 'corp', email: 'bo@example.com', actor: 'bot' };
    const decided = { ...EVENTS.find(({ kind }) => kind === 'login')!, name: 'log.review' };
    const fields = { review: 'r', verdict: 'approve', by: 'bo@example.com (agent: bot)', reviewer };
    expect(gistOf({ ...decided, fields })).toMatchObject({ who: fields.by, principal: { subject: 'okta|7' } });
    expect(who('access')).toEqual(['alice@example.com', 'alice (agent: claude)']);
    expect(who('result')).toEqual(['alice@example.com', 'alice@example.com']);
  });
});

describe('JSON Lines', () => {
  it('is one line an event, with everything', () => {
    for (const event of EVENTS) {
      const line = json.line(event);
      expect(line.indexOf('\n')).toBe(line.length - 1);
      const { id, sequence, kind, gateway, data } = JSON.parse(line);
      expect({ id, sequence, kind }).toEqual({ id: event.id, sequence: event.sequence, kind: event.name });
      expect(gateway).toBe('https://gw.example.com');
      expect(data).toEqual(JSON.parse(JSON.stringify(event.fields)));
    }
  });
});

/** A reader of CEF that knows nothing of ours: header by unescaped bars, extension by keys. */
function readCef(text: string): { header: string[]; extension: Record<string, string> } {
  const parts = [...text.matchAll(/((?:\\.|[^|\\])*)(?:\||$)/gs)].slice(0, 7);
  const header = parts.map((match) => match[1]!.replace(/\\([\\|])/g, '$1'));
  const rest = text.slice(parts.reduce((sum, match) => sum + match[0].length, 0));
  const extension: Record<string, string> = {};
  const keys = [...rest.matchAll(/(?:^| )([A-Za-z0-9]+)=/g)].filter((match) => {
    const before = /\\+$/.exec(rest.slice(0, match.index + match[0].length - 1));
    return before === null;
  });
  keys.forEach((match, i) => {
    const value = rest.slice(match.index + match[0].length, keys[i + 1]?.index ?? rest.length);
    extension[match[1]!] = value.replace(/\\([\\=nr])/g, (_, one) => (one === 'n' ? '\n' : one === 'r' ? '\r' : one));
  });
  return { header, extension };
}

const shown = (text: string) => text.toWellFormed().replaceAll('\0', '\ufffd');

describe('CEF', () => {
  it('escapes so that a reader gets back what was written', () => {
    for (const event of EVENTS) {
      const text = cef(event, PRODUCT);
      expect(text).not.toMatch(/[\r\n\0]/);
      const { header, extension } = readCef(text);
      expect(header.slice(0, 5)).toEqual(['CEF:0', 'hoopctl', 'hoopctl', '1.2.3', event.name]);
      expect(Number(header[6])).toBeGreaterThanOrEqual(0);
      expect(extension).toMatchObject({
        externalId: event.id,
        cn1: String(event.sequence),
        rt: '1795158000123',
        dvchost: 'gw.example.com',
      });
      const { text: statement } = gistOf(event);
      if (statement === undefined) continue;
      if (statement.length <= 4000) expect(extension.cs5).toBe(shown(statement));
      else expect(shown(statement).startsWith(extension.cs5!.slice(0, -1))).toBe(true);
    }
  });
});

it('CEF says that a statement was cut, and has each kind of address in its place', () => {
  const [one] = intents;
  const fields = { ...one!.fields, text: '語'.repeat(3000) };
  const options = { facility: 13, hostname: 'h', maxBytes: 4096, mark: true, write: writerOf('cef', PRODUCT).text };
  const whole = { ...options, maxBytes: Number.POSITIVE_INFINITY };
  const event = { ...one!, fields };
  expect(syslogMessage(event, whole)).toContain(`cs5=${fields.text}`);
  expect(syslogMessage(event, options)).toMatch(/cs5=語+…(?: |$)/);
  const from = (client: string) => readCef(cef({ ...one!, fields: { client } }, PRODUCT)).extension;
  expect(from('10.1.2.3:7')).toMatchObject({ src: '10.1.2.3', spt: '7' });
  const six = from('[2001:db8::1]:7');
  expect([six.src, six.c6a2, six.c6a2Label, six.spt]).toEqual([undefined, '2001:db8::1', 'Source IPv6 Address', '7']);
});

/** RFC 5424 §6, as its grammar has it. */
const MESSAGE =
  /^<(\d{1,3})>1 (\S+) ([!-~]{1,255}) ([!-~]{1,48}) (-|[!-~]{1,128}) ([!-~]{1,32}) (\[[!-~]+(?: [!#-<>-\\^-~]{1,32}="(?:\\["\\\]]|[^"\\\]])*")*\]) (?:\ufeff)?(.*)$/s;

describe('syslog', () => {
  const options = { facility: 13, hostname: 'gw host', maxBytes: 8192, mark: true, write: json.text };

  it('is a message as the grammar of RFC 5424 has it, of at most so many octets', () => {
    for (const event of EVENTS) {
      const message = syslogMessage(event, options);
      const match = MESSAGE.exec(message);
      expect(match, message.slice(0, 300)).not.toBeNull();
      expect(match!.slice(1, 7)).toEqual([match![1], event.at, 'gw?host', 'hoopctl', '-', event.name]);
      expect(Number(match![1]) >> 3).toBe(13);
      expect(match![7]).toContain(`id="${event.id}" sequence="${event.sequence}"`);
      expect(Buffer.byteLength(message)).toBeLessThanOrEqual(8192);
      const { id, data } = JSON.parse(match![8]!) as { id: string; data: Record<string, unknown> };
      expect(id).toBe(event.id);
      const text = event.fields.text as string | undefined;
      if (data.cut !== undefined) expect(String(data.text).length + Number(data.cut)).toBe(text!.length);
      else if (data.omitted === undefined) expect(data).toEqual(JSON.parse(JSON.stringify(event.fields)));
    }
  });

  it('has no time that somebody made of one', () => {
    const at = '2026-11-20 07:00:00 (\n<110>1 - forged)';
    expect(syslogMessage({ ...intents[0]!, at }, options)).toMatch(/^<\d+>1 - gw\?host hoopctl /);
  });

  it('counts octets, not characters', () => {
    const frame = framed('ü🦊');
    expect(frame.toString()).toBe('6 ü🦊');
  });

  it('is never longer than its receiver takes, however much there is to say', () => {
    const [one] = intents;
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`member${i}`, 'ü"'.repeat(i)]));
    const long = { what: 'w'.repeat(250), message: 'm'.repeat(250), reason: 'r'.repeat(250), ...many };
    for (const format of ['json', 'cef', 'ocsf'] as const) {
      for (const fields of [long, { ...long, text: 'x'.repeat(9000) }, { ...one!.fields, ...long }]) {
        for (const maxBytes of [2048, 8192]) {
          const options = { facility: 13, hostname: 'h'.repeat(64), maxBytes, mark: true };
          const message = syslogMessage({ ...one!, fields }, { ...options, write: writerOf(format, PRODUCT).text });
          expect([format, maxBytes, Buffer.byteLength(message) <= maxBytes]).toEqual([format, maxBytes, true]);
          expect(message).toContain(one!.id);
        }
      }
    }
  });

  it('escapes the three characters of a parameter, and writes control characters as receivers do', () => {
    expect(parameter('a"b\\c]d[e=f')).toBe('a\\"b\\\\c\\]d[e=f');
    expect(parameter('a\n<110>1 \0\x1b\u0085ü')).toBe('a#012<110>1 #000#033#205ü');
  });
});

/** RFC 4180, strictly: a text is quoted or has none of the four characters. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    const match = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n)/y;
    match.lastIndex = at;
    const found = match.exec(text);
    if (found === null) throw new Error(`no field at ${at}: ${JSON.stringify(text.slice(at, at + 80))}`);
    const [all, field, end] = found as unknown as [string, string, string];
    row.push(field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field);
    at += all.length;
    if (end === '\r\n') {
      rows.push(row);
      row = [];
    }
  }
  return rows;
}

describe('CSV', () => {
  const [header, ...rows] = readCsv(CSV_HEADER + EVENTS.map((event) => csv(event, PRODUCT)).join(''));
  const column = (name: string) => rows.map((row) => row[header!.indexOf(name)]!);

  it('is read back by the rules of RFC 4180, field by field', () => {
    expect(new Set(rows.map((row) => row.length))).toEqual(new Set([header!.length]));
    expect(column('id')).toEqual(EVENTS.map(({ id }) => id));
    const texts = column('text').map((text) => text.replace(/^'/, ''));
    expect(texts.slice(2, 2 + HOSTILE.length)).toEqual(HOSTILE.map(shown));
  });

  it('has no text that a spreadsheet would run', () => {
    for (const row of rows) for (const field of row) expect(field).not.toMatch(/^[=+\-@\t\r]/);
    expect(column('text')).toContain("'=cmd()|' /C calc'!A0");
    expect(column('text')).toContain("''quoted");
  });
});

describe('OTLP', () => {
  it('has 64-bit integers as text, enumerations as numbers, and no empty values', () => {
    const request = JSON.parse(otlpRequest(EVENTS, PRODUCT, 1_795_158_000_500));
    const { logRecords } = request.resourceLogs[0].scopeLogs[0];
    expect(logRecords).toHaveLength(EVENTS.length);
    for (const [i, record] of logRecords.entries()) {
      expect(record.timeUnixNano).toBe('1795158000123000000');
      expect(record.observedTimeUnixNano).toBe('1795158000500000000');
      expect(record.severityNumber).toBeGreaterThan(0);
      const named = Object.fromEntries(
        record.attributes.map((one: { key: string; value: object }) => [one.key, one.value]),
      );
      expect(named['hoopctl.sequence']).toEqual({ intValue: String(EVENTS[i]!.sequence) });
    }
  });

  it('keeps the statement of an event that is too long, and leaves out what makes it so', () => {
    const [one] = intents;
    const event = { ...one!, fields: { ...one!.fields, text: 'select $1', params: ['x'.repeat(100_000)] } };
    const request = otlpRequest([event, event], PRODUCT, 0, 8192);
    expect(Buffer.byteLength(request)).toBeLessThan(2 * 8192 + 1024);
    expect(request).not.toContain('xxxx');
    expect(JSON.parse(request).resourceLogs[0].scopeLogs[0].logRecords).toHaveLength(2);
    for (const kept of ['select $1', 'omitted', 'params']) expect(request.split(kept).length).toBeGreaterThan(2);
  });
});

const ocsfOf = (event: ExportEvent) => JSON.parse(ocsf(event, PRODUCT)) as Record<string, unknown>;

describe('OCSF', () => {
  it('files each event under its class', () => {
    const classes = (wanted: (event: ExportEvent) => boolean) =>
      new Set(EVENTS.filter(wanted).map((one) => ocsfOf(one).class_uid));
    expect(classes(({ name }) => name === 'log.login' || name === 'log.token')).toEqual(new Set([3002]));
    expect(classes(({ from, opening }) => from === 'session' && opening?.protocol === 'sql')).toEqual(new Set([6005]));
    expect(classes(({ opening }) => opening?.protocol === 'web')).toEqual(new Set([6003]));
    expect(classes(({ from, kind }) => from === 'log' && !['login', 'token'].includes(kind))).toEqual(new Set([6003]));
  });

  it('says of a statement what it does', () => {
    const activity = (...does: string[]) => {
      const { activity_id, activity_name } = ocsfOf({
        ...intents[0]!,
        fields: { ...intents[0]!.fields, parts: [{ does }] },
      });
      return [activity_id, activity_name];
    };
    expect([activity('select'), activity('alter'), activity('merge', 'insert')]).toEqual([
      [4, 'Query'],
      [2, 'Update'],
      [2, 'Update'],
    ]);
    for (const word of ['grant', 'revoke', 'set-role', 'do-block']) expect(activity(word)).toEqual([99, word]);
  });

  it('has the statement, who and where', () => {
    const event = intents.find(({ fields }) => fields.text === 'plain')!;
    expect(ocsfOf(event)).toMatchObject({
      activity_name: 'Update',
      query_info: { query_string: 'plain' },
      actor: { user: { name: 'alice@example.com', uid: 'alice', groups: [{ name: 'eng' }] } },
      src_endpoint: { ip: '10.1.2.3', port: 40001 },
      database: { name: 'prod-db' },
      metadata: { uid: event.id, sequence: event.sequence },
    });
  });
});

describe('OCSF by its published schema', () => {
  let schema: OcsfSchema;
  beforeAll(() => {
    schema = new OcsfSchema(join(repository, OCSF_SCHEMA));
  });

  it('takes every event', () => {
    const problems = EVENTS.flatMap((event) => schema.problems(ocsfOf(event)).map((one) => `${event.name}: ${one}`));
    expect(problems).toEqual([]);
  });

  it.each([
    ['a required attribute is missing', { actor: undefined }, 'actor is missing'],
    ['an attribute is unknown', { nonsense: 1 }, 'nonsense is no attribute'],
    ['a type is wrong', { time: 'now' }, 'not timestamp_t'],
    ['a number is none of the list', { severity_id: 42 }, 'not in its list'],
    ['none of several is there', { database: undefined }, 'has none of'],
    ['an object is wrong inside', { src_endpoint: { ip: 'nowhere', port: 70_000 } }, 'not ip_t'],
    ['the sum is wrong', { type_uid: 1 }, 'type_uid'],
  ])('refuses one where %s', (_, change, problem) => {
    const event = { ...ocsfOf(intents[0]!), ...change };
    expect(schema.problems(event).join('; ')).toContain(problem);
  });
});

describe('a line that somebody changed', () => {
  // What JSON can be, where a text or a list is expected.
  const odd = fc.jsonValue({ maxDepth: 2 });
  const keys = [
    'principal',
    'by',
    'parts',
    'error',
    'what',
    'client',
    'labels',
    'text',
    'params',
    'us',
    'rows',
    'verdict',
  ];
  const fields = fc.dictionary(fc.constantFrom(...keys, 'toString', '__proto__', 'x'), odd, { maxKeys: 6 });
  const nested = fields.map((one) => ({
    ...one,
    principal: { subject: one.what, email: one.by, groups: one.parts, actor: one.us },
  }));
  const parts = odd.map((one) => ({ parts: [one, null, { does: [one, 'toString', null] }], code: one }));

  it('keeps no other event from going out, whatever the format', () => {
    const kinds = [
      'log.login',
      'log.token',
      'log.review',
      'session.intent',
      'session.result',
      'session.open',
      'session.x',
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...kinds),
        fc.oneof(fields, nested, parts),
        fc.option(fields, { nil: undefined }),
        fc.constantFrom('', 'yesterday', '2026-11-20T07:00:00.123Z', '+275760-09-13T00:00:00.001Z'),
        (name, found, opening, at) => {
          const [from, kind] = name.split('.') as ['log' | 'session', string];
          const event: ExportEvent = {
            ...{ id: 'log:1', from, at, kind, name, session: from === 'log' ? undefined : 's-1', number: 1 },
            ...{ fields: found, opening: from === 'log' ? undefined : opening, sequence: 1 },
          };
          for (const format of FORMATS) expect(typeof writerOf(format, PRODUCT).line(event)).toBe('string');
          expect(JSON.parse(ocsf(event, PRODUCT)).time).toEqual(expect.any(Number));
          expect(cef(event, PRODUCT)).not.toContain('NaN');
          expect(otlpRequest([event], PRODUCT, 0)).not.toContain('NaN');
          const options = { facility: 13, hostname: 'h', maxBytes: 2000, mark: true, write: json.text };
          expect(syslogMessage(event, options)).not.toContain('\n');
        },
      ),
      effort({ seed: 11, numRuns: 500 }),
    );
  });
});
