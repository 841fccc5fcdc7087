import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Mask, ResultColumn } from '../../../../../src/protocol/contract.ts';
import type { CopyOptions, Field } from '../../../../../src/protocol/postgres/analysis.ts';
import { unescapeText } from '../../../../../src/protocol/postgres/masking/copy-text.ts';
import { createMasker } from '../../../../../src/protocol/postgres/masking/masker.ts';
import type { PlannedColumn } from '../../../../../src/protocol/postgres/masking/planned.ts';
import { TypeRegistry } from '../../../../../src/protocol/postgres/masking/types.ts';
import { effort } from '../../../../support/property.ts';

const types = new TypeRegistry();
types.learn([90_001]);
const masker = createMasker(types);

const STARS: Mask = { name: 'stars', by: 'column', text: () => '***' };
const FINDS: Mask = { name: 'finds', by: 'detector', text: (value) => value.replaceAll('secret', '######') };
const THROWS: Mask = {
  ...{ name: 'throws', by: 'column' as const },
  text: () => {
    throw new Error('no');
  },
};

/** A mask that notes what it is shown. */
function seeing(seen: string[], by: Mask['by'], says: (value: string) => string): Mask {
  return {
    name: 'seeing',
    by,
    text(value) {
      seen.push(value);
      return says(value);
    },
  };
}

function field(typeOid: number, format: 0 | 1 = 0, typmod = -1): Field {
  return { name: 'c', tableOid: 0, attnum: 0, typeOid, typeSize: -1, typmod, format };
}

function dataRow(values: readonly (Buffer | string | null)[]): Buffer {
  const parts: Buffer[] = [];
  for (const value of values) {
    const bytes = value === null ? undefined : Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes?.length ?? -1);
    parts.push(length, bytes ?? Buffer.alloc(0));
  }
  const head = Buffer.alloc(7);
  head.write('D');
  head.writeInt32BE(6 + parts.reduce((sum, part) => sum + part.length, 0), 1);
  head.writeUInt16BE(values.length, 5);
  return Buffer.concat([head, ...parts]);
}

function valuesOf(message: Buffer): (string | null)[] {
  expect(message.readInt32BE(1)).toBe(message.length - 1);
  const values: (string | null)[] = [];
  let at = 7;
  for (let i = 0; i < message.readUInt16BE(5); i++) {
    const length = message.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : message.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  expect(at).toBe(message.length);
  return values;
}

describe('DataRow', () => {
  const row = (values: (Buffer | string | null)[], fields: Field[], masks: (Mask | null)[]) =>
    valuesOf(masker.dataRow(dataRow(values), fields, masks));

  test('masks the columns that have a mask and leaves the others as they are', () => {
    const fields = [field(25), field(25), field(23), field(25), field(1043)];
    expect(row(['a', 'ssn', '1', null, 'x'.repeat(100)], fields, [null, STARS, null, STARS, null])).toEqual([
      'a',
      '***',
      '1',
      null,
      'x'.repeat(100),
    ]);
  });

  test('gives back the same buffer when nothing changed', () => {
    const message = dataRow(['nothing here', null]);
    expect(masker.dataRow(message, [field(25), field(25)], [FINDS, STARS])).toBe(message);
  });

  test('rows made one after the other do not share bytes', () => {
    const made = Array.from({ length: 5000 }, (_, i) =>
      masker.dataRow(dataRow([`${i}`, 'ssn']), [field(25), field(25)], [null, STARS]),
    );
    for (const [i, message] of made.entries()) expect(valuesOf(message)).toEqual([`${i}`, '***']);
  });

  test.each([
    ['int4', 23, '42'],
    ['numeric', 1700, '4.2'],
    ['date', 1082, '2020-01-01'],
    ['uuid', 2950, 'a'],
    ['xml', 142, '<a/>'],
    ['text[]', 1009, '{a}'],
    ['bytea', 17, '\\x00'],
    ['a type that is not known', 90_002, 'x'],
  ])('%s cannot hold a mask and becomes NULL', (_, oid, value) => {
    expect(row([value], [field(oid)], [STARS])).toEqual([null]);
  });

  test.each([
    ['text', 25, 'value', '***'],
    ['name', 19, 'value', '***'],
    ['a type of an extension that holds text', 90_001, 'value', '***'],
    ['json', 114, '{"a":1}', '"***"'],
    ['jsonb', 3802, '{"a":1}', '"***"'],
  ])('%s holds one', (_, oid, value, masked) => {
    expect(row([value], [field(oid)], [STARS])).toEqual([masked]);
  });

  test('a document that a detector changed stays one', () => {
    expect(row(['{"a":"secret"}'], [field(114)], [FINDS])).toEqual(['{"a":"######"}']);
    const digits: Mask = { name: 'digits', by: 'detector', text: (value) => value.replaceAll('4111', '****') };
    expect(row(['{"a":4111}'], [field(114)], [digits])).toEqual(['"{\\"a\\":****}"']);
  });

  test('a type that is learned between two rows of a result is text from then on', () => {
    const registry = new TypeRegistry();
    const own = createMasker(registry);
    const fields = [field(90_003)];
    const masked = () => valuesOf(own.dataRow(dataRow(['a']), fields, [STARS]));
    expect(masked()).toEqual([null]);
    registry.learn([90_003]);
    expect(masked()).toEqual(['***']);
  });

  test('lengths of the type are kept', () => {
    expect(
      row(['abcde', 'abcde', 'abcde'], [field(1043, 0, 6), field(1042, 0, 9), field(1043)], [STARS, STARS, STARS]),
    ).toEqual(['**', '***  ', '***']);
  });

  test('a mask that throws gives NULL', () => {
    expect(row(['ssn', 'x'], [field(25), field(25)], [THROWS, null])).toEqual([null, 'x']);
    const odd = { name: 'odd', by: 'column', text: () => undefined as unknown as string } as const;
    expect(row(['ssn'], [field(25)], [odd])).toEqual([null]);
  });

  test('a mask on bytes is put as the same mask on text', () => {
    const text = (value: string) => `#${value}`.slice(0, 20);
    const slow: Mask = { name: 'hashed', by: 'column', text };
    let asked = 0;
    const quick: Mask = {
      ...slow,
      bytes(value, from, to, out, at) {
        asked++;
        const source = Buffer.from(value.subarray(from, to)).toString();
        if (source.includes('!')) throw new Error('no');
        if (/[^ -~]/.test(source)) return -1;
        return (out as Buffer).write(text(source), at, 'latin1');
      },
    };
    const oids = fc.constantFrom(25, 1043, 1042, 19, 90_001, 114, 3802, 23);
    const column = fc.tuple(oids, fc.constantFrom(0, 1) as fc.Arbitrary<0 | 1>, fc.constantFrom(-1, 4, 5, 9, 40));
    const value = fc.option(fc.string({ unit: fc.constantFrom('a', 'B', '1', ' ', 'é', '!', '👍'), maxLength: 40 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(column, value), { maxLength: 6 }), (cells) => {
        const fields = cells.map(([[oid, format, typmod]]) => field(oid, format, typmod));
        const message = dataRow(cells.map(([, one]) => one));
        const by = (mask: Mask) =>
          masker.dataRow(
            message,
            fields,
            fields.map((_, i) => (i % 3 === 2 ? null : mask)),
          );
        expect(by(quick).toString('hex')).toBe(by(slow).toString('hex'));
      }),
      effort({ seed: 20261121, numRuns: 500 }),
    );
    expect(asked).toBeGreaterThan(100);
  });

  test('a detector is not asked for the text of what is clean, and a doubt is no certainty', () => {
    const seen: string[] = [];
    const mask: Mask = {
      ...seeing(seen, 'detector', (value) => value.replaceAll('secret', '######')),
      clean(value, from, to) {
        const text = Buffer.from(value.subarray(from, to)).toString();
        if (text.includes('!')) throw new Error('no');
        return text.startsWith('clean');
      },
    };
    expect(
      row(
        ['clean', 'secret', 'secret!', 'clean'],
        [field(25), field(25), field(1009), field(23, 0)],
        [mask, mask, mask, mask],
      ),
    ).toEqual(['clean', '######', null, 'clean']);
    expect(seen).toEqual(['secret', 'secret!']);
  });

  test('a detector on a type that holds no text makes what it finds NULL, and leaves the rest', () => {
    expect(row(['{secret,b}', '{a,b}'], [field(1009), field(1009)], [FINDS, FINDS])).toEqual([null, '{a,b}']);
  });

  test('what is escaped there, however often, is found, and a run of backslashes is read once', () => {
    const many = '\\'.repeat(400_000);
    const values = ['{"\\\\u0073ecret"}', `{"${many}u0073\\\\\\u0065cret"}`, `{"${many}x"}`, `{"${many}u0073ecre"}`];
    const found = row(
      values,
      values.map(() => field(1009)),
      values.map(() => FINDS),
    );
    expect(found.map((value) => value === null)).toEqual([true, true, false, false]);
  });

  test('values beyond ASCII', () => {
    const accents: Mask = { name: 'accents', by: 'column', text: (value) => `é${value.length}😀` };
    expect(row(['äöü😀', 'x'], [field(25), field(25)], [accents, null])).toEqual(['é5😀', 'x']);
    const long: Mask = { name: 'long', by: 'column', text: () => 'ü'.repeat(200_000) };
    expect(row(['a', 'b', 'c'], [field(25), field(25), field(25)], [null, long, null])).toEqual([
      'a',
      'ü'.repeat(200_000),
      'c',
    ]);
  });

  describe('in binary format', () => {
    test('text is text, jsonb has its version', () => {
      expect(row(['ssn'], [field(25, 1)], [STARS])).toEqual(['***']);
      const seen: string[] = [];
      const watch = seeing(seen, 'column', () => '***');
      expect(row([Buffer.from('\x01{"a":1}')], [field(3802, 1)], [watch])).toEqual(['\x01"***"']);
      expect(row(['{"a":1}'], [field(114, 1)], [watch])).toEqual(['"***"']);
      expect(seen).toEqual(['{"a":1}', '{"a":1}']);
    });

    test('everything else becomes NULL', () => {
      expect(row([Buffer.from([0, 0, 0, 7])], [field(23, 1)], [STARS])).toEqual([null]);
    });

    test('a detector sees numbers as digits and text in other types', () => {
      const seen: string[] = [];
      const watch = seeing(seen, 'detector', (value) => value);
      const int8 = Buffer.alloc(8);
      int8.writeBigInt64BE(4111111111111111n);
      // 4111111111111111 as numeric: 4 digits to base 10,000.
      const numeric = Buffer.from([0, 4, 0, 3, 0, 0, 0, 0, 0x10, 0x0f, 0x04, 0x57, 0x04, 0x57, 0x04, 0x57]);
      const negative = Buffer.from([0, 2, 0, 0, 0x40, 0, 0, 2, 0, 12, 0x09, 0xc4]);
      const values = [int8, numeric, negative, Buffer.from([0, 0, 0, 5]), Buffer.from([0, 5])];
      const fields = [field(20, 1), field(1700, 1), field(1700, 1), field(23, 1), field(21, 1)];
      const message = dataRow(values);
      expect(masker.dataRow(message, fields, [watch, watch, watch, watch, watch])).toBe(message);
      expect(seen).toEqual(['4111111111111111', '4111111111111111', '-12.25', '5', '5']);
      expect(row([Buffer.from('\0\0\0\x01secret\0')], [field(1009, 1)], [FINDS])).toEqual([null]);
    });
  });

  test.each([
    ['fewer values than described', dataRow(['a']), [field(25), field(25)], [STARS, STARS]],
    ['more values than described', dataRow(['a', 'b']), [field(25)], [STARS]],
    ['a length beyond the end', Buffer.from([68, 0, 0, 0, 11, 0, 1, 0, 0, 0, 9, 1]), [field(25)], [STARS]],
    ['a value that is not there', Buffer.from([68, 0, 0, 0, 6, 0, 1]), [field(25)], [STARS]],
    ['something behind the last value', Buffer.concat([dataRow(['a']), Buffer.from('x')]), [field(25)], [STARS]],
  ])('%s is an error, and nothing passes', (_, message, fields, masks) => {
    expect(() => masker.dataRow(message, fields, masks)).toThrow(/cannot be masked/);
  });
});

const TEXT: CopyOptions = {
  ...{ direction: 'out' as const, format: 'text' as const, delimiter: '\t', null: '\\N' },
  ...{ quote: '"', escape: '"', header: false },
};
const CSV: CopyOptions = { ...TEXT, format: 'csv', delimiter: ',', null: '' };
const column = (textual = true): ResultColumn => ({ name: 'c', origins: [], textual });
const typed = (typeOid: number, typmod = -1): PlannedColumn => ({
  name: 'c',
  origins: [],
  textual: true,
  typeOid,
  typmod,
});

function copy(
  options: CopyOptions,
  chunks: readonly (string | Buffer)[],
  masks: readonly (Mask | null)[],
  columns: readonly ResultColumn[] = masks.map(() => column()),
): { out: string; rows: (readonly (string | null)[])[] } {
  const rows: (readonly (string | null)[])[] = [];
  const run = masker.copy(options, columns, masks, () => (values) => rows.push(values), 1000);
  const out = chunks.map((chunk) => run.data(Buffer.from(chunk)));
  out.push(run.done());
  return { out: Buffer.concat(out).toString('latin1'), rows };
}

describe('COPY in text format', () => {
  test('masks values and leaves others byte by byte', () => {
    const { out, rows } = copy(TEXT, ['1\tssn\ta\\tb\\\\\\x41\n', '2\t\\N\t\\N\n', '3\t\t\n'], [null, STARS, null]);
    expect(out).toBe('1\t***\ta\\tb\\\\\\x41\n2\t\\N\t\\N\n3\t***\t\n');
    expect(rows).toEqual([
      ['1', '***', 'a\tb\\A'],
      ['2', null, null],
      ['3', '***', ''],
    ]);
  });

  test('a mask sees the value, and what it says is escaped', () => {
    const seen: string[] = [];
    const watch = seeing(seen, 'column', () => 'a\tb\\c\n,');
    expect(copy(TEXT, ['x\\ty\\\\N\\n\t1\n'], [watch, null]).out).toBe('a\\tb\\\\c\\n,\t1\n');
    expect(copy({ ...TEXT, delimiter: ',' }, ['x\\,y,1\n'], [watch, null]).out).toBe('a\\tb\\\\c\\n\\,,1\n');
    expect(seen).toEqual(['x\ty\\N\n', 'x,y']);
  });

  test('a masked text that looks like NULL or the end is not read as that', () => {
    const says = (text: string): Mask => ({ name: 'says', by: 'column', text: () => text });
    expect(copy({ ...TEXT, null: 'NULL' }, ['x\n'], [says('NULL')]).out).toBe('\\NULL\n');
    expect(unescapeText('\\NULL')).toBe('NULL');
    expect(copy(TEXT, ['x\n'], [says('\\.')]).out).toBe('\\\\.\n');
  });

  test('a NULL text that could be a value is masked like one', () => {
    expect(copy({ ...TEXT, null: '123-45-6789' }, ['123-45-6789\tx\n'], [STARS, null]).out).toBe('***\tx\n');
    expect(copy({ ...TEXT, null: '' }, ['\tx\n'], [STARS, null]).out).toBe('\tx\n');
  });

  test('types that hold no text become NULL', () => {
    expect(copy(TEXT, ['1\ta\n'], [STARS, STARS], [typed(23), typed(25)]).out).toBe('\\N\t***\n');
    expect(copy(TEXT, ['1\n'], [STARS], [column(false)]).out).toBe('\\N\n');
    expect(copy(TEXT, ['abc\n'], [STARS], [typed(1043, 6)]).out).toBe('**\n');
  });

  test('a header is not a value', () => {
    const { out, rows } = copy({ ...TEXT, header: true }, ['id\tssn\n', '1\tx\n'], [null, STARS]);
    expect(out).toBe('id\tssn\n1\t***\n');
    expect(rows).toEqual([['1', '***']]);
  });

  test('a row of no columns, and of one empty value', () => {
    expect(copy(TEXT, ['\n'], []).out).toBe('\n');
    expect(copy(TEXT, ['\n'], [STARS]).out).toBe('***\n');
  });

  test.each([
    ['too few values', ['a\n'], [STARS, STARS]],
    ['too many values', ['a\tb\n'], [STARS]],
    ['an end in the middle of a row', ['a'], [STARS]],
  ])('%s is an error', (_, chunks, masks) => {
    expect(() => copy(TEXT, chunks, masks)).toThrow(/cannot be masked/);
  });

  test('a row over the limit is an error that names it', () => {
    expect(() => copy(TEXT, ['x'.repeat(2000)], [STARS])).toThrow(/copy_row_bytes/);
  });
});

describe('COPY in CSV format', () => {
  test('masks values and leaves others byte by byte', () => {
    const { out, rows } = copy(CSV, ['1,"a ""b"", c\nd",x\n', '2,,""\n'], [null, STARS, null]);
    expect(out).toBe('1,***,x\n2,,""\n');
    expect(rows).toEqual([
      ['1', '***', 'x'],
      ['2', null, ''],
    ]);
    expect(copy(CSV, ['"a,""",b\n'], [null, STARS]).out).toBe('"a,""",***\n');
  });

  test('a mask sees the value, and what it says is quoted when it has to be', () => {
    const seen: string[] = [];
    const says = (text: string) => seeing(seen, 'column', () => text);
    expect(copy(CSV, ['"x ""y"" \n z"\n'], [says('a "b", c')]).out).toBe('"a ""b"", c"\n');
    expect(seen).toEqual(['x "y" \n z']);
    expect(copy(CSV, ['x\n'], [says('')]).out).toBe('""\n');
    const odd = { ...CSV, quote: "'", escape: '\\', delimiter: ';', null: 'NULL' };
    expect(copy(odd, ["'a\\'b\\\\;c';NULL;x\n"], [says("it's \\ ;"), STARS, says('NULL')]).out).toBe(
      "'it\\'s \\\\ ;';NULL;'NULL'\n",
    );
    expect(seen.at(-2)).toBe("a'b\\;c");
  });

  test('a quoted NULL text is a value', () => {
    expect(copy({ ...CSV, null: 'NULL' }, ['"NULL",NULL\n'], [STARS, STARS]).out).toBe('***,NULL\n');
  });

  test('a header is not a value', () => {
    expect(copy({ ...CSV, header: true }, ['id,"ss\nn"\n1,x\n'], [null, STARS]).out).toBe('id,"ss\nn"\n1,***\n');
  });
});

describe('COPY in binary format', () => {
  const BINARY: CopyOptions = { ...TEXT, format: 'binary' };
  const head = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
  const tail = Buffer.from([0xff, 0xff]);
  const tuple = (...values: (string | Buffer | null)[]) => dataRow(values).subarray(5);

  test('masks text and json, and makes NULL of the rest', () => {
    const data = [head, tuple('ssn', Buffer.from([0, 0, 0, 1]), Buffer.from('\x01{}'), null), tail];
    const { out, rows } = copy(
      BINARY,
      data,
      [STARS, STARS, STARS, STARS],
      [typed(25), typed(23), typed(3802), typed(25)],
    );
    const expected = Buffer.concat([head, tuple('***', null, '\x01"***"', null), tail]);
    expect(out).toBe(expected.toString('latin1'));
    expect(rows).toEqual([['\\x2a2a2a', null, '\\x222a2a2a22', null]]);
  });

  test('a value whose type is not known becomes NULL', () => {
    expect(copy(BINARY, [head, tuple('x'), tail], [STARS], [column()]).out).toBe(
      Buffer.concat([head, tuple(null), tail]).toString('latin1'),
    );
  });

  test.each([
    ['no signature', [Buffer.alloc(30)]],
    ['something after the end', [head, tail, tuple('x')]],
    ['an end in the middle', [head, tuple('x').subarray(0, 4)]],
    ['another count', [head, tuple('x', 'y'), tail]],
  ])('%s is an error', (_, chunks) => {
    expect(() => copy(BINARY, chunks, [STARS])).toThrow(/cannot be masked/);
  });
});

test('however rows are cut into chunks, what comes out is the same', () => {
  const cases: [CopyOptions, string][] = [
    [TEXT, '1\tse\\\\cret\tx\n2\t\\N\t\n3\tä\\n\ty\\\\\n'],
    [CSV, '1,"se""cret\n",x\n2,,""\n3,"a,b","""q"""\n'],
    [{ ...CSV, escape: '\\' }, '1,"se\\"cret\n",x\n2,,""\n3,"a,b","\\"q\\\\"\n'],
  ];
  const mask: Mask = { name: 'm', by: 'column', text: (value) => `<${value.length}>` };
  fc.assert(
    fc.property(fc.constantFrom(...cases), fc.array(fc.nat(60), { maxLength: 8 }), ([options, text], cuts) => {
      const bytes = Buffer.from(text);
      const places = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i]!, end));
      expect(copy(options, chunks, [null, mask, null])).toEqual(copy(options, [bytes], [null, mask, null]));
    }),
    effort({ seed: 7, numRuns: 1000 }),
  );
});
