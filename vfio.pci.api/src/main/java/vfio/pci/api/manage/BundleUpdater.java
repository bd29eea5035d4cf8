package vfio.pci.api.manage;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.device.VfioException;

/** Replaces the content of an installed bundle and restarts nobody but those that use it. An optional OSGi service. */
@ProviderType
public interface BundleUpdater {
    /**
     * Updates a bundle. What can be known beforehand is checked beforehand: if the file is no bundle, is another one, or
     * needs what is not there, the bundle is left as it is. Returns when the bundle and those that use it are started again.
     *
     * @param bundleId OSGi id of the bundle
     * @param file the new content; empty for the file at the bundle's location
     * @return what was done
     * @throws VfioException ENOENT if there is no such bundle or file, EINVAL if the file cannot take the bundle's place, EIO
     *     if the bundle was updated and does not start
     */
    Update update(long bundleId, Optional<Path> file);

    /**
     * What an update did.
     *
     * @param before version of the bundle before
     * @param after version of the bundle now
     * @param restarted symbolic names of the bundles that were restarted because they use it
     */
    record Update(String before, String after, List<String> restarted) {
        /** Copies the names. */
        public Update {
            restarted = List.copyOf(restarted);
        }
    }
}
