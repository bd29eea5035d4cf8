package vfio.pci.repository;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.jar.JarOutputStream;
import java.util.zip.ZipEntry;

/** Makes bundles. */
final class BundleBuilder {
    private static final String API = "vfio.pci.api.mediate,org.osgi.framework";

    private final Map<String, String> headers = new LinkedHashMap<>();
    private final Map<String, byte[]> entries = new LinkedHashMap<>();

    private BundleBuilder() {}

    /** A bundle without code. */
    static BundleBuilder named(String symbolicName, String version) {
        return new BundleBuilder()
                .header("Manifest-Version", "1.0")
                .header("Bundle-ManifestVersion", "2")
                .header("Bundle-SymbolicName", symbolicName)
                .header("Bundle-Version", version);
    }

    /** A bundle that says it mediates a device, and registers a driver when it starts. */
    static BundleBuilder driver(String symbolicName, String version) {
        return named(symbolicName, version)
                .offering("vendor=8086;device:List<String>=\"154c\"")
                .activator(TestDriver.class)
                .header("Import-Package", API);
    }

    BundleBuilder header(String name, String value) {
        headers.put(name, value);
        return this;
    }

    BundleBuilder offering(String attributes) {
        return header("Provide-Capability", "vfio.pci.mediate;" + attributes);
    }

    BundleBuilder activator(Class<?> type) {
        String entry = type.getName().replace('.', '/') + ".class";
        try (InputStream code = Objects.requireNonNull(type.getResourceAsStream("/" + entry))) {
            entries.put(entry, code.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return header("Bundle-Activator", type.getName());
    }

    BundleBuilder entry(String name, byte[] content) {
        entries.put(name, content);
        return this;
    }

    byte[] bytes() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JarOutputStream jar = new JarOutputStream(bytes)) {
            StringBuilder manifest = new StringBuilder();
            headers.forEach((name, value) -> manifest.append((name + ": " + value).replaceAll("(.{70})", "$1\r\n "))
                    .append("\r\n"));
            put(jar, "META-INF/MANIFEST.MF", manifest.append("\r\n").toString().getBytes(StandardCharsets.UTF_8));
            for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
                put(jar, entry.getKey(), entry.getValue());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    /** Writes it to a file, as one that replaces another: at once. */
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

    private static void put(JarOutputStream jar, String name, byte[] content) throws IOException {
        ZipEntry entry = new ZipEntry(name);
        entry.setTime(0);
        jar.putNextEntry(entry);
        jar.write(content);
        jar.closeEntry();
    }
}
