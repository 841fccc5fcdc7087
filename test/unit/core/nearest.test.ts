import { expect, test } from 'vitest';
import { nearest } from '../../../src/core/nearest.ts';

test.each([
  ['dose', ['does', 'objects', 'text'], 'does'],
  ['DOES', ['does', 'objects'], 'does'],
  ['prod-bd', ['prod-db', 'stage-db'], 'prod-db'],
  ['relation', ['relations', 'functions'], 'relations'],
  ['x', ['y'], 'y'],
  ['zebra', ['does', 'text'], undefined],
  ['does', [], undefined],
  ['a'.repeat(65), ['a'.repeat(65)], undefined],
])('the nearest name to %s is found only when it is near', (word, names, found) => {
  expect(nearest(word, names)).toBe(found);
});
