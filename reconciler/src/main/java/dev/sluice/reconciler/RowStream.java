package dev.sluice.reconciler;

import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.List;

/**
 * The rows of one table on one side, one after another, in the order of their keys.
 *
 * <p>Memory: {@value #FETCHED} rows, whatever the table's size.
 */
final class RowStream implements AutoCloseable {
    private static final int FETCHED = 500;

    private final Statement statement;
    private final ResultSet rows;
    private final int width;
    private String[] current;
    private long count;

    /** @param connection inside a transaction: without one the driver would fetch everything at once */
    RowStream(Connection connection, String sql) throws SQLException {
        statement = connection.createStatement();
        statement.setFetchSize(FETCHED);
        rows = statement.executeQuery(sql);
        width = rows.getMetaData().getColumnCount();
        next();
    }

    boolean hasRow() {
        return current.length > 0;
    }

    /** The current row's texts, the key's first; empty behind the last row. A text that is null stands for NULL. */
    String[] row() {
        return current;
    }

    /** Rows seen so far, the current one included. */
    long count() {
        return count;
    }

    void next() throws SQLException {
        if (!rows.next()) {
            current = new String[0];
            return;
        }
        count++;
        current = new String[width];
        for (int i = 0; i < width; i++) {
            current[i] = rows.getString(i + 1);
        }
    }

    /**
     * Compares the keys of two current rows as the servers order them; a stream that has ended is behind everything.
     *
     * @param keyWidth number of texts that are the key
     */
    static int compareKeys(RowStream one, RowStream other, int keyWidth) {
        if (!one.hasRow() || !other.hasRow()) {
            return Boolean.compare(other.hasRow(), one.hasRow());
        }
        for (int i = 0; i < keyWidth; i++) {
            if (!one.current[i].equals(other.current[i])) {
                return Arrays.compareUnsigned(utf8(one.current[i]), utf8(other.current[i]));
            }
        }
        return 0;
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    List<String> key(int keyWidth) {
        return Arrays.asList(current).subList(0, keyWidth);
    }

    @Override
    public void close() throws SQLException {
        statement.close();
    }
}
