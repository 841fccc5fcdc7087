import { expect, test } from 'vitest';
import { Blake3 } from '../../../../src/session/masking/blake3.ts';
import { KeyedBytes } from '../../../../src/session/masking/keyed-bytes.ts';

// From the test vectors of the BLAKE3 team: inputs count up modulo 251, the output is an extended one.
const KEY = Buffer.from('whats the Elvish word for friend');
const VECTORS: [number, string][] = [
  [
    0,
    '92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26b18171a2f22a4b94822c701f107153dba24918c4bae4d2945c20ece13387627d3b73cbf97b797d5e59948c7ef788f54372df45e45e4293c7dc18c1d41144a9758be58960856be1eabbe22c2653190de560ca3b2ac4aa692a9210694254c371e851bc8f',
  ],
  [
    1,
    '6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b6568c0490609413006fbd428eb3fd14e7756d90f73a4725fad147f7bf70fd61c4e0cf7074885e92b0e3f125978b4154986d4fb202a3f331a3fb6cf349a3a70e49990f98fe4289761c8602c4e6ab1138d31d3b62218078b2f3ba9a88e1d08d0dd4cea11',
  ],
  [
    1023,
    'c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e890316d2e6d8b8c25b0a5b2180f94fb1a158ef508c3cde45e2966bd796a696d3e13efd86259d756387d9becf5c8bf1ce2192b87025152907b6d8cc33d17826d8b7b9bc97e38c3c85108ef09f013e01c229c20a83d9e8efac5b37470da28575fd755a10',
  ],
  [
    1024,
    '75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4a78bc838c72852d4f49c864acb7adafe2478e824afe51c8919d06168414c265f298a8094b1ad813a9b8614acabac321f24ce61c5a5346eb519520d38ecc43e89b5000236df0597243e4d2493fd626730e2ba17ac4d8824d09d1a4a8f57b8227778e2de',
  ],
];

test.each(VECTORS)('keyed BLAKE3 of %i bytes is that of its authors', (length, expected) => {
  const bytes = Buffer.from(Array.from({ length: length + 2 }, (_, i) => (i + 250) % 251));
  const hash = new Blake3(KEY);
  // Between two others, and not at the beginning of its buffer.
  hash.begin(bytes, 0, 7);
  hash.begin(bytes, 1, length + 1);
  let found = Buffer.from(hash.output).toString('hex');
  while (found.length < expected.length) {
    hash.more();
    found += Buffer.from(hash.output).toString('hex');
  }
  expect(found.slice(0, expected.length)).toBe(expected);
});

test('an input over one chunk and a key of another length are errors', () => {
  expect(() => new Blake3(KEY.subarray(1))).toThrow(RangeError);
  expect(() => new Blake3(KEY).begin(Buffer.alloc(1025), 0, 1025)).toThrow(RangeError);
});

test('streams differ by value, purpose and key, also of long values', () => {
  const key = Buffer.alloc(32, 7);
  const stream = (value: Buffer, purpose = 'hash', by = key) =>
    Buffer.from(new KeyedBytes(by, purpose).begin(value)).toString('hex');
  const long = Buffer.alloc(3000, 'a');
  const other = Buffer.from(long);
  other[2999] = 98;
  for (const [one, two] of [
    [Buffer.from('a'), Buffer.from('b')],
    [Buffer.alloc(0), Buffer.alloc(1)],
    [long, other],
    [long.subarray(0, 1024), long.subarray(0, 1025)],
  ] as const) {
    expect(stream(one)).toBe(stream(one));
    expect(stream(one)).not.toBe(stream(two));
    expect(stream(one)).not.toBe(stream(one, 'digits'));
    expect(stream(one)).not.toBe(stream(one, 'hash', Buffer.alloc(32, 8)));
  }
});
