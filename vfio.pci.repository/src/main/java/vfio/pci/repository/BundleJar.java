package vfio.pci.repository;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.Collections;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.Manifest;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * A file that should be a bundle, as it was at one moment.
 *
 * @param file where it is
 * @param stamp tells whether it has changed since
 * @param manifest what its manifest says; null if that cannot be read
 * @param defect what is wrong with it; null if its manifest can be read
 */
record BundleJar(
        Path file,
        Stamp stamp,
        @Nullable BundleManifest manifest,
        @Nullable InvalidBundleException defect) {
    private static final int BUFFER = 64 * 1024;

    /**
     * Changes when the content of a file does.
     *
     * @param modified when it was written last
     * @param size in bytes
     * @param key identity of the file: another one if it was replaced as a whole
     */
    record Stamp(FileTime modified, long size, @Nullable Object key) {
        static Stamp of(Path file) throws IOException {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            return new Stamp(attributes.lastModifiedTime(), attributes.size(), attributes.fileKey());
        }
    }

    /** Reads the manifest of a file. */
    static BundleJar read(Path file, Stamp stamp) {
        try {
            return new BundleJar(file, stamp, manifest(file), null);
        } catch (InvalidBundleException e) {
            return new BundleJar(file, stamp, null, e);
        }
    }

    /** Its manifest, or what is wrong with it. */
    BundleManifest valid() throws InvalidBundleException {
        if (defect != null) {
            throw defect;
        }
        if (manifest == null) {
            throw new IllegalStateException(file + " has neither manifest nor defect");
        }
        return manifest;
    }

    /** Reads all of it, and fails if something is damaged or missing. A manifest alone says little about the rest. */
    void verify() throws InvalidBundleException {
        try (JarFile jar = new JarFile(file.toFile())) {
            byte[] buffer = new byte[BUFFER];
            for (JarEntry entry : Collections.list(jar.entries())) {
                CRC32 sum = new CRC32();
                try (InputStream content = jar.getInputStream(entry)) {
                    for (int count = content.read(buffer); count >= 0; count = content.read(buffer)) {
                        sum.update(buffer, 0, count);
                    }
                }
                if (entry.getCrc() >= 0 && entry.getCrc() != sum.getValue()) {
                    throw InvalidBundleException.noBundle(
                            "it is damaged: " + entry.getName() + " is not what was packed", null);
                }
            }
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    private static BundleManifest manifest(Path file) throws InvalidBundleException {
        try (JarFile jar = new JarFile(file.toFile())) {
            Manifest manifest = jar.getManifest();
            if (manifest == null) {
                throw InvalidBundleException.noBundle("it is a jar without a manifest", null);
            }
            return BundleManifest.of(manifest.getMainAttributes());
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    private static InvalidBundleException unreadable(IOException cause) {
        return InvalidBundleException.noBundle(
                "it is no jar, is damaged, or is not complete yet (" + cause.getMessage() + ")", cause);
    }
}
