package dev.sluice.config;

import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.lang.reflect.Field;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Arrays;
import org.postgresql.core.PGStream;
import org.postgresql.core.QueryExecutorBase;
import org.postgresql.core.VisibleBufferedInputStream;
import org.postgresql.jdbc.PgConnection;

/**
 * Looks at the length of each row and change that a server sends, before the driver takes the memory for it: pgjdbc reads a
 * message into one array, and a process that has not the memory ends without a word about the row.
 *
 * <p>Source: PostgreSQL 18 manual, 54.7 "Message Formats" (CopyData, DataRow); pgjdbc 42.7.14, {@code PGStream.receive}, which
 * knows no limit, so its input is replaced.
 *
 * <p>Threads: the connection's.
 */
public final class MessageLimit extends InputStream {
    private static final int HEADER_BYTES = 5;
    private static final int COPY_DATA = 'd';
    private static final int DATA_ROW = 'D';
    private static final int BUFFER_BYTES = 8192;
    private static final long PATIENCE_NANOS = Duration.ofSeconds(60).toNanos();

    private final InputStream in;
    private final int limit;
    private final Refusal refusal;
    private final ByteBuffer header = ByteBuffer.allocate(HEADER_BYTES);
    /** Bytes of the message at hand that are still to come. */
    private long rest;
    private IOException refused;

    /** Says what is too large. */
    public interface Refusal {
        /**
         * @param message without its type and length, from its first byte on; need not be read to its end
         * @param bytes its length
         * @return what every further use of the connection fails with, as cause of the driver's own exception
         */
        IOException of(DataInputStream message, int bytes) throws IOException;
    }

    private MessageLimit(InputStream in, int limit, Refusal refusal) {
        this.in = in;
        this.limit = limit;
        this.refusal = refusal;
    }

    /**
     * Lets no longer row or change come over this connection, which has no answer under way.
     *
     * @param limit in bytes
     */
    public static void set(Connection connection, int limit, Refusal refusal) throws SQLException {
        PgConnection driver = connection.unwrap(PgConnection.class);
        try {
            PGStream stream = (PGStream) field(QueryExecutorBase.class, "pgStream").get(driver.getQueryExecutor());
            Field input = field(PGStream.class, "pgInput");
            VisibleBufferedInputStream buffered = (VisibleBufferedInputStream) input.get(stream);
            int end = field(VisibleBufferedInputStream.class, "endIndex").getInt(buffered);
            byte[] read = Arrays.copyOfRange(buffered.getBuffer(), buffered.getIndex(), end);
            InputStream wire = buffered.getWrapped();
            InputStream all = read.length == 0 ? wire : new SequenceInputStream(new ByteArrayInputStream(read), wire);
            input.set(stream, new VisibleBufferedInputStream(new MessageLimit(all, limit, refusal), BUFFER_BYTES));
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("pgjdbc is another than this was written for", e);
        }
    }

    private static Field field(Class<?> of, String name) throws NoSuchFieldException {
        Field field = of.getDeclaredField(name);
        field.setAccessible(true);
        return field;
    }

    @Override
    public int read(byte[] block, int offset, int length) throws IOException {
        if (refused != null) {
            throw refused;
        }
        int read = in.read(block, offset, length);
        if (read > 0) {
            look(block, offset, offset + read);
        }
        return read;
    }

    private void look(byte[] block, int from, int end) throws IOException {
        int at = from;
        while (at < end) {
            if (rest > 0) {
                int passed = (int) Math.min(rest, end - at);
                rest -= passed;
                at += passed;
                continue;
            }
            header.put(block[at++]);
            if (!header.hasRemaining()) {
                int type = header.get(0);
                int bytes = header.getInt(1) - Integer.BYTES;
                header.clear();
                rest = bytes;
                if (bytes > limit && (type == COPY_DATA || type == DATA_ROW)) {
                    InputStream begun = new ByteArrayInputStream(block, at, end - at);
                    refused = refusal.of(new DataInputStream(new SequenceInputStream(begun, new Patient())), bytes);
                    throw refused;
                }
            }
        }
    }

    /** The driver asks with a timeout of a millisecond whether there is a message, which is no time to read one in. */
    private final class Patient extends InputStream {
        private final long began = System.nanoTime();

        @Override
        public int read(byte[] block, int offset, int length) throws IOException {
            while (true) {
                try {
                    return in.read(block, offset, length);
                } catch (SocketTimeoutException e) {
                    if (System.nanoTime() - began > PATIENCE_NANOS) {
                        throw new IOException("the rest of a large message does not come", e);
                    }
                }
            }
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int available() throws IOException {
        return in.available();
    }

    @Override
    public void close() throws IOException {
        in.close();
    }
}
