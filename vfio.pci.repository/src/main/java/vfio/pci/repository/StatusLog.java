package vfio.pci.repository;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import vfio.pci.api.manage.BundleFiles.BundleFile;
import vfio.pci.api.manage.BundleFiles.Folder;
import vfio.pci.api.manage.BundleFiles.State;

/**
 * Logs what becomes of files: one line when it changes, however often one looks. Of {@code repository/} only what is wrong
 * with files; who loads them says what comes of that. Not safe for several threads.
 */
final class StatusLog {
    private static final Logger LOG = System.getLogger(StatusLog.class.getPackageName());
    private static final Set<State> DEFECTS = Set.of(State.NOT_A_BUNDLE, State.WRONG_MANIFEST);

    private final Map<Path, String> last = new HashMap<>();

    /** Looks at the files as they are now. */
    void report(List<BundleFile> files) {
        Set<Path> gone = new HashSet<>(last.keySet());
        for (BundleFile file : files) {
            gone.remove(file.file());
            if (file.state() == State.WAITING) {
                continue;
            }
            String line = line(file);
            boolean known = line.equals(last.put(file.file(), line));
            if (!known && (file.folder() == Folder.DEPLOY || DEFECTS.contains(file.state()))) {
                LOG.log(file.state().isProblem() ? Level.WARNING : Level.INFO, line);
            }
        }
        for (Path file : gone) {
            last.remove(file);
            LOG.log(Level.INFO, "{0} is gone", Locations.brief(file));
        }
    }

    private static String line(BundleFile file) {
        return Locations.brief(file.file())
                + (file.bundle().isEmpty() ? "" : " (" + file.bundle() + ")")
                + " is " + file.state().name().toLowerCase(Locale.ROOT).replace('_', ' ')
                + (file.reason().isEmpty() ? "" : ": " + file.reason());
    }
}
