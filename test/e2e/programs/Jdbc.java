// pgjdbc against whatever the PG* variables name: prepared statements, fetch size, batches, generated keys, COPY, and the
// metadata queries that DBeaver and other tools make. Prints one line a finding; the test compares them with the server.
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.*;
import java.util.*;
import org.postgresql.PGConnection;

public class Jdbc {
  static void say(String name, Object value) {
    System.out.println(name + ": " + String.valueOf(value).replaceAll("pg_(toast_)?temp_\\d+", "pg_$1temp"));
  }

  static String rows(ResultSet set, int... columns) throws SQLException {
    StringBuilder text = new StringBuilder();
    while (set.next()) {
      for (int column : columns) text.append(set.getString(column)).append('|');
      text.append(' ');
    }
    set.close();
    return text.toString();
  }

  public static void main(String[] args) throws Exception {
    Map<String, String> env = System.getenv();
    StringBuilder url = new StringBuilder("jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT") + "/" + env.get("PGDATABASE"));
    Properties properties = new Properties();
    properties.setProperty("user", env.getOrDefault("PGUSER", "nobody"));
    properties.setProperty("password", env.getOrDefault("PGPASSWORD", "unused"));
    if ("verify-full".equals(env.get("PGSSLMODE"))) {
      properties.setProperty("sslmode", "verify-full");
      properties.setProperty("sslrootcert", env.get("PGSSLROOTCERT"));
    } else properties.setProperty("sslmode", "disable");
    try (Connection connection = DriverManager.getConnection(url.toString(), properties)) {
      // Beyond the fifth execution pgjdbc switches to a named server-side statement and to binary results.
      try (PreparedStatement statement = connection.prepareStatement("select ?::int * 2, ?::text, now() > ?::timestamptz")) {
        long sum = 0;
        for (int i = 0; i < 12; i++) {
          statement.setInt(1, i);
          statement.setString(2, "text " + i);
          statement.setTimestamp(3, new Timestamp(0));
          try (ResultSet set = statement.executeQuery()) { set.next(); sum += set.getInt(1) + set.getString(2).length() + (set.getBoolean(3) ? 1 : 0); }
        }
        say("prepared", sum);
      }
      connection.setAutoCommit(false);
      try (Statement statement = connection.createStatement()) {
        statement.execute("create temp table bulk (id serial primary key, n int, t text)");
        try (PreparedStatement insert = connection.prepareStatement("insert into bulk (n, t) values (?, ?)")) {
          for (int i = 0; i < 500; i++) { insert.setInt(1, i); insert.setString(2, "t" + i); insert.addBatch(); }
          say("batch", Arrays.stream(insert.executeBatch()).sum());
        }
        try (PreparedStatement insert = connection.prepareStatement("insert into bulk (n) values (1)", Statement.RETURN_GENERATED_KEYS)) {
          insert.executeUpdate();
          say("generated", rows(insert.getGeneratedKeys(), 1));
        }
        statement.setFetchSize(70);
        long count = 0;
        try (ResultSet set = statement.executeQuery("select generate_series(1, 1000), repeat('x', 50)")) { while (set.next()) count += set.getInt(1); }
        say("fetch size", count);
        connection.commit();
        Savepoint savepoint = connection.setSavepoint();
        try { statement.executeQuery("select 1/0"); } catch (SQLException error) { say("error", error.getSQLState() + " " + error.getMessage()); }
        connection.rollback(savepoint);
        say("after error", rows(statement.executeQuery("select count(*) from bulk"), 1));
      }
      PGConnection pg = connection.unwrap(PGConnection.class);
      say("copy in", pg.getCopyAPI().copyIn("copy bulk (n, t) from stdin csv", new StringReader("1,a\n2,b\n")));
      StringWriter out = new StringWriter();
      say("copy out", pg.getCopyAPI().copyOut("copy (select n, t from bulk where id > 501 order by id) to stdout csv", out) + " " + out.toString().trim().replace('\n', ';'));
      connection.commit();
      connection.setAutoCommit(true);

      DatabaseMetaData meta = connection.getMetaData();
      say("product", meta.getDatabaseProductName());
      say("schemas", rows(meta.getSchemas(), 1));
      say("tables", rows(meta.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"}), 2, 3, 4));
      say("columns", rows(meta.getColumns(null, "public", "customers", "%"), 4, 5, 6, 7, 11, 13, 18));
      say("primary keys", rows(meta.getPrimaryKeys(null, "public", "customers"), 4, 6));
      say("indexes", rows(meta.getIndexInfo(null, "public", "customers", false, true), 4, 6, 9));
      say("imported keys", rows(meta.getImportedKeys(null, "public", "orders"), 3, 4, 7, 8));
      say("exported keys", rows(meta.getExportedKeys(null, "public", "customers"), 3, 4, 7, 8));
      say("functions", rows(meta.getFunctions(null, "public", "%"), 3, 5));
      say("procedures", rows(meta.getProcedures(null, "public", "%"), 3, 8));
      say("table privileges", rows(meta.getTablePrivileges(null, "public", "customers"), 3, 6));
      ResultSet types = meta.getTypeInfo();
      int count = 0;
      while (types.next()) count++;
      say("has types", count > 50);
      try (Statement statement = connection.createStatement()) {
        for (String query : DBEAVER) {
          try (ResultSet set = statement.executeQuery(query)) {
            int found = 0;
            while (set.next()) { found++; for (int i = 1; i <= set.getMetaData().getColumnCount(); i++) set.getObject(i); }
            say("tool query", found > 0 ? "rows" : "none");
          }
        }
      }
    }
  }

  // Of the shape in which DBeaver reads a database when it opens its tree.
  static final String[] DBEAVER = {
    "SELECT current_schema(),session_user",
    "SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 AND d.classoid='pg_namespace'::regclass ORDER BY nspname",
    "SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate ORDER BY db.datname",
    "SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr, pg_catalog.pg_get_partkeydef(c.oid) as partition_key FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_class'::regclass WHERE c.relnamespace=(select oid from pg_namespace where nspname='public') AND c.relkind not in ('i','I','c')",
    "SELECT c.relname,a.*,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value,dsc.description,dep.objid FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid=c.oid) LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid=ad.adrelid AND a.attnum = ad.adnum) LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid) LEFT OUTER JOIN pg_depend dep on dep.refobjid = a.attrelid AND dep.deptype = 'i' and dep.refobjsubid = a.attnum and dep.classid = dep.refclassid WHERE NOT a.attisdropped AND c.relkind not in ('i','I','c') AND c.relname='customers' ORDER BY a.attnum",
    "SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C')",
    "SELECT r.*,pg_catalog.shobj_description(r.oid, 'pg_authid') AS description FROM pg_catalog.pg_roles r ORDER BY rolname",
    "select s.*, pg_size_pretty(pg_total_relation_size(relid)) from pg_catalog.pg_stat_user_tables s",
    "SELECT x.oid, x.*, pg_get_constraintdef(x.oid) FROM pg_catalog.pg_constraint x WHERE x.conrelid = 'customers'::regclass",
  };
}
