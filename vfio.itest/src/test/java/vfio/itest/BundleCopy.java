package vfio.itest;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarInputStream;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;

/** A bundle of the build with another manifest: another version of it, or one that is somehow wrong. */
final class BundleCopy {
    private final Path original;
    private final Map<String, String> headers = new LinkedHashMap<>();

    private BundleCopy(Path original) {
        this.original = original;
    }

    /** A bundle as it is in {@code target/bundles}. */
    static BundleCopy of(String symbolicName) {
        return new BundleCopy(
                Path.of("target", "bundles", symbolicName + ".jar").toAbsolutePath());
    }

    /** A header in place of that of the original; null to leave it out. */
    BundleCopy header(String name, String value) {
        headers.put(name, value);
        return this;
    }

    BundleCopy version(String version) {
        return header("Bundle-Version", version);
    }

    byte[] bytes() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JarInputStream from = new JarInputStream(new ByteArrayInputStream(Files.readAllBytes(original)))) {
            Manifest manifest = from.getManifest();
            headers.forEach((name, value) -> {
                manifest.getMainAttributes().remove(new java.util.jar.Attributes.Name(name));
                if (value != null) {
                    manifest.getMainAttributes().putValue(name, value);
                }
            });
            try (JarOutputStream to = new JarOutputStream(bytes, manifest)) {
                for (JarEntry entry = from.getNextJarEntry(); entry != null; entry = from.getNextJarEntry()) {
                    to.putNextEntry(new JarEntry(entry.getName()));
                    from.transferTo(to);
                    to.closeEntry();
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    /** Puts it into a file at once. */
    Path write(Path file) {
        return write(file, bytes());
    }

    static Path write(Path file, byte[] content) {
        try {
            Path part = file.resolveSibling(file.getFileName() + ".part");
            Files.write(part, content);
            return Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
