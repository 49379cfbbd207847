package dev.sluice.sandbox;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Stands between clients and a PostgreSQL, and cuts a connection exactly at a COMMIT; or leads to another server.
 *
 * <p>It reads the client's messages, unencrypted ones, and knows a COMMIT also as a statement that was prepared before.
 *
 * <p>Source: PostgreSQL 18 manual, 54.2 "Message Flow" and 54.7 "Message Formats".
 *
 * <p>Threads: two per connection; the methods may be called from any.
 */
final class TcpProxy implements AutoCloseable {
    enum Cut {
        /** The server never hears of the COMMIT. */
        BEFORE_COMMIT,
        /** The server has committed, the client never hears of it. */
        AFTER_COMMIT
    }

    private final ServerSocket listener;
    private final Set<Link> links = ConcurrentHashMap.newKeySet();
    private final AtomicReference<Cut> next = new AtomicReference<>();
    private volatile String needed = "";
    private volatile int serverPort;

    TcpProxy(int serverPort) {
        this.serverPort = serverPort;
        try {
            listener = new ServerSocket(0, 50, InetAddress.getByName(Loopback.HOST));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        start("proxy-accept", this::accept);
    }

    int port() {
        return listener.getLocalPort();
    }

    /** The next COMMIT of any connection is the one that is cut. */
    void cutNextCommit(Cut cut) {
        cutNextCommitOf("", cut);
    }

    /** @param statement a part of one that the transaction must have had, as text */
    void cutNextCommitOf(String statement, Cut cut) {
        needed = statement;
        next.set(cut);
    }

    /** Whether the COMMIT that was asked for has come and been cut. */
    boolean hasCut() {
        return next.get() == null;
    }

    /** Leads new connections to another server, and cuts those that lead to the one before. */
    void leadTo(int otherPort) {
        serverPort = otherPort;
        links.forEach(Link::close);
    }

    private void accept() {
        while (!listener.isClosed()) {
            try {
                Socket client = listener.accept();
                try {
                    new Link(client, new Socket(Loopback.HOST, serverPort)).start();
                } catch (IOException e) {
                    client.close(); // the server is down, and this is how its clients learn of it
                }
            } catch (IOException e) {
                // closed
            }
        }
    }

    private static void start(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() {
        try {
            listener.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        links.forEach(Link::close);
    }

    /** One connection through the proxy. */
    private final class Link {
        private final Socket client;
        private final Socket server;
        private final Set<String> commits = new HashSet<>();
        private volatile boolean isAnswerLost;
        private boolean hasNeeded;

        Link(Socket client, Socket server) throws IOException {
            this.client = client;
            this.server = server;
            client.setTcpNoDelay(true);
            server.setTcpNoDelay(true);
        }

        void start() {
            links.add(this);
            TcpProxy.start("proxy-client", () -> pump(this::forwardMessages));
            TcpProxy.start("proxy-server", () -> pump(this::forwardAnswers));
        }

        private interface Pump {
            void run() throws IOException;
        }

        private void pump(Pump pump) {
            try {
                pump.run();
            } catch (IOException e) {
                // either side is gone, and so is the other now
            } finally {
                close();
            }
        }

        private void forwardMessages() throws IOException {
            DataInputStream in = new DataInputStream(client.getInputStream());
            OutputStream out = server.getOutputStream();
            int startup = in.readInt();
            out.write(ByteBuffer.allocate(startup).putInt(startup).put(in.readNBytes(startup - 4)).array());
            for (int type = in.read(); type >= 0; type = in.read()) {
                int length = in.readInt();
                byte[] body = in.readNBytes(length - 4);
                hasNeeded |= next.get() != null && new String(body, StandardCharsets.ISO_8859_1).contains(needed);
                if (isCommit((char) type, body)) {
                    Cut cut = hasNeeded ? next.getAndSet(null) : null;
                    hasNeeded = false;
                    if (cut == Cut.BEFORE_COMMIT) {
                        return;
                    }
                    isAnswerLost |= cut == Cut.AFTER_COMMIT;
                }
                out.write(ByteBuffer.allocate(1 + length).put((byte) type).putInt(length).put(body).array());
            }
        }

        private boolean isCommit(char type, byte[] body) {
            String[] texts = new String(body, StandardCharsets.ISO_8859_1).split("\0", 3);
            switch (type) {
                case 'Q':
                    return texts[0].equals("COMMIT");
                case 'P':
                    if (texts[1].equals("COMMIT")) {
                        commits.add(texts[0]);
                    } else {
                        commits.remove(texts[0]);
                    }
                    return false;
                case 'B':
                    return commits.contains(texts[1]);
                default:
                    return false;
            }
        }

        private void forwardAnswers() throws IOException {
            InputStream in = server.getInputStream();
            ByteArrayOutputStream lost = new ByteArrayOutputStream();
            byte[] buffer = new byte[1 << 16];
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                if (!isAnswerLost) {
                    client.getOutputStream().write(buffer, 0, read);
                    continue;
                }
                lost.write(buffer, 0, read);
                if (lost.toString(StandardCharsets.ISO_8859_1).contains("COMMIT\0")) {
                    return;
                }
            }
        }

        void close() {
            links.remove(this);
            try {
                client.close();
                server.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
