// Masks put to values: rows of results and of COPY.

import type { ValueMasker } from '../analysis.ts';
import { BinaryRows } from './copy-binary.ts';
import { CsvRows } from './copy-csv.ts';
import { columnTypes } from './copy-rows.ts';
import { TextRows } from './copy-text.ts';
import { DataRows } from './data-row.ts';
import { Slab } from './slab.ts';
import type { TypeRegistry } from './types.ts';

/** The masker of the process; `types` knows what the catalogues said of types that are not built in. */
export function createMasker(types: TypeRegistry): ValueMasker {
  const slab = new Slab();
  const rows = new DataRows(types);
  return {
    dataRow: (message, fields, masks) => rows.mask(message, fields, masks),
    copy(options, columns, masks, sink, maxRowBytes) {
      const task = { types: columnTypes(columns, types), masks, sink, slab, maxRowBytes };
      if (options.format === 'binary') return new BinaryRows(task);
      return options.format === 'csv' ? new CsvRows(options, task) : new TextRows(options, task);
    },
  };
}
