package dev.sluice.capture;

import io.debezium.jdbc.JdbcConfiguration;
import io.debezium.jdbc.JdbcConnection;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import org.postgresql.Driver;

/**
 * Debezium's connections, with one of its queries mended.
 *
 * <p>At its start Debezium reads every type of the database, and expects labels of each type of category enum. A domain
 * over an enum is of that category and has none of its own, an enum may have none: there it would fail, whatever the lane's
 * tables are. The query is private; what comes in its way is the statement that it is given to.
 *
 * <p>Source: Debezium 3.6.3, {@code TypeRegistry.createTypeBuilderFromResultSet}, and {@code JdbcConfiguration}'s
 * {@code connection.factory.class} as the hook. All of Debezium unwraps a connection before it uses more than JDBC.
 */
public final class MendedConnections implements JdbcConnection.ConnectionFactory {
    private static final String LABELS = "e.values as enum_values";
    private static final String LABELS_OR_NONE = "coalesce(e.values, '{}') as enum_values";

    private final JdbcConnection.ConnectionFactory connections = JdbcConnection.patternBasedFactory(
            "jdbc:postgresql://${hostname}:${port}/${dbname}", Driver.class.getName(), Driver.class.getClassLoader());

    @Override
    public Connection connect(JdbcConfiguration config) throws SQLException {
        return mended(Connection.class, connections.connect(config));
    }

    /** The same, but that texts given to it are mended, and so are the statements that it makes. */
    private static <T> T mended(Class<T> as, T original) {
        InvocationHandler mend = (proxy, method, arguments) -> {
            if (arguments != null && arguments.length > 0 && arguments[0] instanceof String text) {
                arguments[0] = text.replace(LABELS, LABELS_OR_NONE);
            }
            try {
                Object result = method.invoke(original, arguments);
                return method.getName().equals("createStatement") ? mended(Statement.class, (Statement) result) : result;
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        };
        return as.cast(Proxy.newProxyInstance(MendedConnections.class.getClassLoader(), new Class<?>[] {as}, mend));
    }
}
