// Built-in functions that are not immutable, by what can come out of them. An immutable one cannot read tables; of the
// others only those named here are known, and whatever is not known may return anything.

import type { Snapshot } from '../catalogue/snapshot.ts';
import type { Name } from '../sql/collector.ts';

/**
 * `pure`: the result comes from the arguments and the server's own state. `effect`: the same, and the arguments stay
 * somewhere else where they can be read. `sequence`: a number of a sequence. `unknown`: anything.
 */
export type FunctionClass = 'pure' | 'effect' | 'sequence' | 'unknown';

const PURE = new Set(
  `age array_to_json array_to_string clock_timestamp col_description concat concat_ws convert convert_from convert_to
  current_catalog current_database current_date current_query current_role current_schema current_schemas
  current_setting current_time current_timestamp current_user date date_add date_part date_subtract date_trunc
  enum_first enum_last enum_range extract format format_type gen_random_uuid generate_series get_current_ts_config
  getdatabaseencoding getpgusername inet_client_addr inet_client_port inet_server_addr inet_server_port json json_agg
  json_agg_strict json_array json_arrayagg json_build_array json_build_object json_exists json_object json_object_agg
  json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict json_objectagg json_populate_record
  json_populate_recordset json_query json_scalar json_serialize json_table json_to_record json_to_recordset
  json_to_tsvector json_value jsonb_agg jsonb_agg_strict jsonb_build_array jsonb_build_object jsonb_object_agg
  jsonb_object_agg_strict jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_array_tz
  jsonb_path_query_first_tz jsonb_path_query_tz jsonb_populate_record jsonb_populate_recordset jsonb_to_record
  jsonb_to_recordset jsonb_to_tsvector length localtime localtimestamp make_timestamptz merge_action money now numeric
  obj_description oidvectortypes overlaps pg_backend_pid pg_blocking_pids pg_char_to_encoding pg_client_encoding
  pg_collation_actual_version pg_collation_for pg_column_compression pg_column_is_updatable pg_column_size
  pg_conf_load_time pg_current_snapshot pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn
  pg_current_xact_id pg_current_xact_id_if_assigned pg_database_size pg_describe_object pg_encoding_to_char
  pg_filenode_relation pg_has_role pg_identify_object pg_identify_object_as_address pg_index_column_has_property
  pg_index_has_property pg_indexam_has_property pg_indexes_size pg_is_in_recovery pg_is_other_temp_schema
  pg_is_wal_replay_paused pg_jit_available pg_last_wal_receive_lsn pg_last_wal_replay_lsn
  pg_last_xact_replay_timestamp pg_listening_channels pg_lock_status pg_my_temp_schema pg_options_to_table
  pg_partition_ancestors pg_partition_tree pg_postmaster_start_time pg_relation_filenode pg_relation_filepath
  pg_relation_is_publishable pg_relation_is_updatable pg_relation_size pg_safe_snapshot_blocking_pids pg_show_all_settings
  pg_sleep pg_sleep_for pg_sleep_until pg_table_size pg_tablespace_databases pg_tablespace_location pg_tablespace_size
  pg_timezone_abbrevs pg_timezone_names pg_total_relation_size pg_trigger_depth pg_typeof pg_xact_status
  phraseto_tsquery plainto_tsquery quote_literal quote_nullable random random_normal row_security_active row_to_json
  session_user shobj_description statement_timestamp system_user time timeofday timestamp timestamptz timetz timezone
  to_char to_date to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector transaction_timestamp ts_debug
  ts_headline ts_parse ts_token_type txid_current txid_current_if_assigned txid_current_snapshot txid_status user
  uuidv4 uuidv7 version websearch_to_tsquery xml xml_is_well_formed bernoulli system`.split(/\s+/),
);

/** Of extensions that come with PostgreSQL, and in C. */
const PURE_EXTENSION = new Set(
  `uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 gen_salt gen_random_bytes gen_random_uuid unaccent word_similarity
  strict_word_similarity show_limit similarity_op normal_rand`.split(/\s+/),
);

/** What the server says of its own objects: psql's \d, pg_dump and every graphical client ask these. */
const PURE_FAMILIES =
  /^(?:has_[a-z_]+_privilege|pg_[a-z_]+_is_visible|to_reg[a-z]+|reg[a-z]+|pg_get_(?:constraintdef|expr|function[a-z_]*|indexdef|keywords|object_address|partition[a-z_]*|partkeydef|publication_tables|replica_identity_index|ruledef|serial_sequence|statisticsobjdef[a-z_]*|triggerdef|userbyid|viewdef|catalog_foreign_keys)|(?:date|timestamp|timestamptz)_[a-z]+_(?:date|timestamp|timestamptz)|pg_available_extension[a-z_]*)$/;

const EFFECT =
  /^(?:pg_(?:try_)?advisory_[a-z_]+|set_config|setseed|pg_notify|pg_cancel_backend|pg_terminate_backend|pg_stat_reset[a-z_]*|lo_(?:creat|create|from_bytea|put|unlink)|lowrite|pg_export_snapshot)$/;

const SEQUENCE = new Set(['nextval', 'currval', 'lastval', 'pg_sequence_last_value']);

/** The class of a function by its name alone: if any function of that name could be called, it counts. */
export function classify(snapshot: Snapshot, { schema, name }: Name): FunctionClass {
  const purity = snapshot.function(name);
  if (purity === 'custom') return 'unknown';
  if (purity === 'extension') return PURE_EXTENSION.has(name) ? 'pure' : 'unknown';
  if (schema !== undefined && schema !== 'pg_catalog' && purity !== 'immutable') return 'unknown';
  // `current_date` and the json functions of later versions are syntax: there is no function of the name.
  if (PURE.has(name)) return 'pure';
  if (purity === undefined) return 'unknown';
  if (purity === 'immutable') return 'pure';
  if (SEQUENCE.has(name)) return 'sequence';
  if (name === 'setval' || EFFECT.test(name)) return 'effect';
  return PURE_FAMILIES.test(name) ? 'pure' : 'unknown';
}

/** Whether a name after a dot could be a function applied to the row: `t.f` is `f(t)` when `t` has no column `f`. */
export function mayBeFunction(snapshot: Snapshot, name: string): boolean {
  const purity = snapshot.function(name);
  return purity !== undefined && classify(snapshot, { schema: undefined, name }) !== 'pure';
}
