// Names of built-in types, for people. Refuses to know: what they hold.

/** pg_type.dat: numbers that never change. */
const NAMES: Readonly<Record<number, string>> = {
  ...{
    16: 'bool',
    17: 'bytea',
    18: '"char"',
    19: 'name',
    20: 'int8',
    21: 'int2',
    23: 'int4',
    24: 'regproc',
    25: 'text',
  },
  ...{ 26: 'oid', 27: 'tid', 28: 'xid', 29: 'cid', 114: 'json', 142: 'xml', 600: 'point', 650: 'cidr', 700: 'float4' },
  ...{ 701: 'float8', 705: 'unknown', 790: 'money', 829: 'macaddr', 869: 'inet', 1000: 'bool[]', 1001: 'bytea[]' },
  ...{ 1005: 'int2[]', 1007: 'int4[]', 1009: 'text[]', 1014: 'bpchar[]', 1015: 'varchar[]', 1016: 'int8[]' },
  ...{ 1021: 'float4[]', 1022: 'float8[]', 1028: 'oid[]', 1042: 'bpchar', 1043: 'varchar', 1082: 'date', 1083: 'time' },
  ...{ 1114: 'timestamp', 1115: 'timestamp[]', 1182: 'date[]', 1184: 'timestamptz', 1185: 'timestamptz[]' },
  ...{ 1186: 'interval', 1231: 'numeric[]', 1266: 'timetz', 1560: 'bit', 1562: 'varbit', 1700: 'numeric' },
  ...{ 1790: 'refcursor', 2202: 'regprocedure', 2205: 'regclass', 2206: 'regtype', 2249: 'record', 2278: 'void' },
  ...{ 2950: 'uuid', 2951: 'uuid[]', 3614: 'tsvector', 3615: 'tsquery', 3802: 'jsonb', 3807: 'jsonb[]' },
  ...{ 3904: 'int4range', 3906: 'numrange', 3908: 'tsrange', 3910: 'tstzrange', 3912: 'daterange', 3926: 'int8range' },
};

export function typeName(oid: number): string {
  return NAMES[oid] ?? `type ${oid}`;
}
