package dev.sluice.capture;

import dev.sluice.config.MessageLimit;
import io.debezium.jdbc.JdbcConfiguration;
import io.debezium.jdbc.JdbcConnection;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.postgresql.Driver;

/**
 * Debezium's connections, with a limit to what they take into memory, and with two of its questions mended, which are private
 * and come in nobody's way but here.
 *
 * <p>Types: at its start it reads every type of the database, and expects labels of each type of category enum. A domain over
 * an enum is of that category and has none of its own, an enum may have none: there it would fail, whatever the lane's tables
 * are.
 *
 * <p>Keys: without a primary key it takes the first unique index by name for the key, of which old rows in the WAL need not
 * have the columns. Here it is told of the replica identity's index only.
 *
 * <p>Source: Debezium 3.6.3, {@code TypeRegistry.createTypeBuilderFromResultSet}, {@code JdbcConnection.readTableUniqueIndices},
 * and {@code JdbcConfiguration}'s {@code connection.factory.class} as the hook. All of Debezium unwraps a connection before
 * it uses more than JDBC.
 */
public final class MendedConnections implements JdbcConnection.ConnectionFactory {
    /** The setting of the longest change that is read, in bytes. */
    static final String LARGEST_MESSAGE = "sluice.largest.message";

    private static final String LABELS = "e.values as enum_values";
    private static final String LABELS_OR_NONE = "coalesce(e.values, '{}') as enum_values";

    /** In the form of {@link DatabaseMetaData#getIndexInfo}. */
    private static final String IDENTITY_INDEX =
            """
            SELECT NULL AS "TABLE_CAT", n.nspname AS "TABLE_SCHEM", c.relname AS "TABLE_NAME", false AS "NON_UNIQUE",
                   NULL AS "INDEX_QUALIFIER", x.relname AS "INDEX_NAME", 3 AS "TYPE", key.place AS "ORDINAL_POSITION",
                   a.attname AS "COLUMN_NAME"
            FROM pg_catalog.pg_index i
            JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
            JOIN pg_catalog.pg_class c ON c.oid = i.indrelid AND c.relreplident = 'i'
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS key (attnum, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = key.attnum
            WHERE n.nspname = ? AND c.relname = ? AND i.indisreplident AND key.place <= i.indnkeyatts
            ORDER BY key.place
            """;

    private final JdbcConnection.ConnectionFactory connections = JdbcConnection.patternBasedFactory(
            "jdbc:postgresql://${hostname}:${port}/${dbname}", Driver.class.getName(), Driver.class.getClassLoader());

    @Override
    public Connection connect(JdbcConfiguration config) throws SQLException {
        Connection original = connections.connect(config);
        MessageLimit.set(original, config.getInteger(LARGEST_MESSAGE), LargeMessage::read);
        return mended(Connection.class, (method, arguments) -> switch (method.getName()) {
            case "createStatement" -> mended((Statement) call(original, method, arguments));
            case "getMetaData" -> mended(original, original.getMetaData());
            default -> call(original, method, withMendedText(arguments));
        });
    }

    private static Statement mended(Statement original) {
        return mended(Statement.class, (method, arguments) -> call(original, method, withMendedText(arguments)));
    }

    private static DatabaseMetaData mended(Connection connection, DatabaseMetaData original) {
        return mended(DatabaseMetaData.class, (method, arguments) -> method.getName().equals("getIndexInfo")
                ? identityIndex(connection, (String) arguments[1], (String) arguments[2])
                : call(original, method, arguments));
    }

    private static ResultSet identityIndex(Connection connection, String schema, String table) throws SQLException {
        PreparedStatement query = connection.prepareStatement(IDENTITY_INDEX);
        query.closeOnCompletion();
        query.setString(1, schema);
        query.setString(2, table);
        return query.executeQuery();
    }

    private static Object[] withMendedText(Object[] arguments) {
        if (arguments != null && arguments.length > 0 && arguments[0] instanceof String text) {
            arguments[0] = text.replace(LABELS, LABELS_OR_NONE);
        }
        return arguments;
    }

    private interface Calls {
        Object answer(Method method, Object[] arguments) throws Throwable;
    }

    private static <T> T mended(Class<T> as, Calls calls) {
        return as.cast(Proxy.newProxyInstance(
                MendedConnections.class.getClassLoader(),
                new Class<?>[] {as},
                (proxy, method, arguments) -> calls.answer(method, arguments)));
    }

    private static Object call(Object original, Method method, Object[] arguments) throws Throwable {
        try {
            return method.invoke(original, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
