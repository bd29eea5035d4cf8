package vfio.dist;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.startlevel.BundleStartLevel;
import org.osgi.framework.wiring.BundleRevision;

/** The bundles of the distribution. Each file name begins with a start level: {@code 10-org.apache.felix.scr.jar}. */
final class BundleFolder {
    /** The highest start level of what runs without a shell. */
    static final int RUNTIME_LEVEL = 50;

    /** The start level of the shell. */
    static final int SHELL_LEVEL = 90;

    private static final Pattern NAME = Pattern.compile("([0-9]{2})-.+[.]jar");

    private record Entry(int startLevel, Path file) {}

    private final List<Entry> entries = new ArrayList<>();

    /**
     * Reads the folder.
     *
     * @throws LaunchException with {@link ExitStatus#CONFIGURATION} if it is missing or empty, or a name has no start level
     */
    BundleFolder(Path folder) throws LaunchException {
        for (Path file : Layout.list(folder, "*.jar")) {
            Matcher name = NAME.matcher(file.getFileName().toString());
            if (!name.matches()) {
                throw new LaunchException(
                        ExitStatus.CONFIGURATION,
                        file + ": the name must begin with a start level of two digits, as in 50-my.bundle.jar. "
                                + "Bundles of your own belong into deploy/.");
            }
            entries.add(new Entry(Integer.parseInt(name.group(1)), file));
        }
        if (entries.isEmpty()) {
            throw new LaunchException(ExitStatus.CONFIGURATION, "no bundles in " + folder);
        }
    }

    /**
     * Installs the bundles in the order of their names and marks them to be started at their level.
     *
     * @return those that are to be active at {@link #RUNTIME_LEVEL}
     */
    List<Bundle> install(BundleContext context) throws LaunchException {
        List<Bundle> expected = new ArrayList<>();
        for (Entry entry : entries) {
            try {
                Bundle bundle =
                        context.installBundle("reference:" + entry.file().toUri());
                bundle.adapt(BundleStartLevel.class).setStartLevel(entry.startLevel());
                if (!isFragment(bundle)) {
                    bundle.start();
                    if (entry.startLevel() <= RUNTIME_LEVEL) {
                        expected.add(bundle);
                    }
                }
            } catch (BundleException e) {
                throw new LaunchException(
                        ExitStatus.CONFIGURATION, "cannot install " + entry.file() + ": " + e.getMessage());
            }
        }
        return expected;
    }

    private static boolean isFragment(Bundle bundle) {
        return (bundle.adapt(BundleRevision.class).getTypes() & BundleRevision.TYPE_FRAGMENT) != 0;
    }
}
