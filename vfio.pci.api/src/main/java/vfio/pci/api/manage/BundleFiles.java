package vfio.pci.api.manage;

import java.nio.file.Path;
import java.util.List;
import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.pci.PciDevice;

/**
 * The files in the folders for bundles, and what became of each: {@code deploy/}, whose bundles run as long as their files
 * are there, and {@code repository/}, whose bundles are loaded when a device needs them. An optional OSGi service. Safe for
 * several threads.
 */
@ProviderType
public interface BundleFiles {
    /** Every {@code *.jar} in the folders, those of {@code deploy/} first, by name. */
    List<BundleFile> files();

    /** What would be loaded for a device that nobody accepts, in order. */
    List<BundleFile> loadable(PciDevice device);

    /** Where a file lies. */
    enum Folder {
        DEPLOY,
        REPOSITORY
    }

    /** What became of a file. */
    enum State {
        /** Its bundle runs. */
        ACTIVE(false),
        /** Its bundle could run, but was stopped, or is none that is started. */
        RESOLVED(false),
        /** It lies in {@code repository/} and was not needed so far. */
        AVAILABLE(false),
        /** It lies in {@code deploy/} and was not looked at yet. */
        WAITING(false),
        /** Its bundle needs something that is not there. */
        UNRESOLVED(true),
        /** It is no jar, is damaged or not complete, or is a jar but no bundle. */
        NOT_A_BUNDLE(true),
        /** Its manifest says what cannot be. */
        WRONG_MANIFEST(true),
        /** Its bundle could not be installed or started. */
        FAILED(true);

        private final boolean problem;

        State(boolean problem) {
            this.problem = problem;
        }

        /** Whether somebody has to do something about it. */
        public boolean isProblem() {
            return problem;
        }
    }

    /**
     * A file.
     *
     * @param file absolute path
     * @param folder where it lies
     * @param bundle symbolic name and version as the file says; empty if it does not, or was not looked at yet
     * @param bundleId OSGi id of the bundle that was installed from it; -1 if there is none. A bundle goes on when its file
     *     is replaced by one that cannot take its place.
     * @param state what became of it
     * @param reason why, or what else there is to know, as a sentence; may be empty if it is no problem
     */
    record BundleFile(Path file, Folder folder, String bundle, long bundleId, State state, String reason) {}
}
