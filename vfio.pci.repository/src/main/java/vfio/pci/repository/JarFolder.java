package vfio.pci.repository;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** A folder of bundles. What is in a file is read once, and again when the file has changed. */
final class JarFolder {
    private static final Logger LOG = System.getLogger(JarFolder.class.getPackageName());

    private final @Nullable Path folder;
    private final Map<Path, BundleJar> known = new ConcurrentHashMap<>();

    /**
     * A folder, which need not be there.
     *
     * @param folder its path; null or empty if there is none
     */
    JarFolder(@Nullable String folder) {
        this.folder = folder == null || folder.isBlank() ? null : real(Path.of(folder));
    }

    /** Without symbolic links, as File Install names the files in it. */
    private static Path real(Path path) {
        try {
            return path.toRealPath();
        } catch (IOException notThere) {
            return path.toAbsolutePath().normalize();
        }
    }

    /** Whether a path leads to a file right in this folder. */
    boolean contains(Path file) {
        return folder != null && folder.equals(file.getParent());
    }

    /** The files that are there now, by name. */
    List<BundleJar> jars() {
        List<BundleJar> jars = new ArrayList<>();
        if (folder != null) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*.jar")) {
                for (Path file : files) {
                    jar(file).ifPresent(jars::add);
                }
            } catch (NoSuchFileException e) {
                LOG.log(Level.DEBUG, "there is no folder {0}", folder);
            } catch (IOException | DirectoryIteratorException e) {
                LOG.log(Level.WARNING, "the folder {0} cannot be read: {1}", folder, e);
            }
        }
        jars.sort((one, other) -> one.file().compareTo(other.file()));
        known.keySet().retainAll(jars.stream().map(BundleJar::file).toList());
        return jars;
    }

    /** A file of this folder; empty if it is not there, or not a file. */
    Optional<BundleJar> jar(Path file) {
        try {
            if (!Files.isRegularFile(file)) {
                return Optional.empty();
            }
            BundleJar.Stamp stamp = BundleJar.Stamp.of(file);
            BundleJar last = known.get(file);
            if (last == null || !last.stamp().equals(stamp)) {
                last = BundleJar.read(file, stamp);
                known.put(file, last);
            }
            return Optional.of(last);
        } catch (IOException e) {
            // It has just gone.
            return Optional.empty();
        }
    }
}
