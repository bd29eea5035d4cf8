package vfio.pci.repository;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.BundleUpdater;

/**
 * Updates bundles on the thread of the caller. It may be this bundle that is updated, so nothing here is used any more once
 * the bundle has been stopped but what was looked up before.
 */
@Component(service = BundleUpdater.class)
public final class BundleUpdaterComponent implements BundleUpdater {
    private final BundleFolders folders;
    private final BundleContext context;
    private final BundleLife life;

    /** Updates the bundles of a framework. */
    @Activate
    public BundleUpdaterComponent(@Reference BundleFolders folders, BundleContext context) {
        this.folders = folders;
        this.context = context;
        life = new BundleLife(context);
    }

    @Override
    public Update update(long bundleId, Optional<Path> file) {
        Bundle bundle = context.getBundle(bundleId);
        if (bundle == null) {
            throw new VfioException(Errno.ENOENT, "there is no bundle " + bundleId);
        }
        if (bundleId == Constants.SYSTEM_BUNDLE_ID) {
            throw new VfioException(Errno.EINVAL, "the framework is not updated: start another runtime");
        }
        Path content = file.or(() -> Locations.file(bundle.getLocation()))
                .orElseThrow(() -> new VfioException(
                        Errno.EINVAL,
                        bundle.getSymbolicName() + " was not installed from a file (" + bundle.getLocation()
                                + "): say from which file it shall be updated"));
        check(bundle, content);
        String before = bundle.getVersion().toString();
        folders.succeeded(bundle.getLocation());
        try {
            List<Bundle> restarted = life.replace(bundle, content);
            return new Update(
                    before,
                    bundle.getVersion().toString(),
                    restarted.stream()
                            .filter(BundleLife::isRunning)
                            .map(Bundle::getSymbolicName)
                            .sorted()
                            .toList());
        } catch (BundleException e) {
            throw new VfioException(
                    Errno.EIO,
                    bundle.getSymbolicName() + " " + bundle.getVersion() + " "
                            + (BundleLife.isRunning(bundle) ? "goes on" : "does not run") + " after the update failed: "
                            + life.reason(Optional.of(bundle), e));
        } catch (IOException e) {
            throw new VfioException(Errno.EIO, content + " cannot be read: " + e);
        }
    }

    /** Whether a file can take a bundle's place, as far as that can be known while the bundle still runs. */
    private void check(Bundle bundle, Path content) {
        if (!Files.isRegularFile(content)) {
            throw new VfioException(Errno.ENOENT, "there is no file " + content);
        }
        try {
            BundleJar jar = BundleJar.read(content, BundleJar.Stamp.of(content));
            BundleManifest manifest = jar.valid();
            jar.verify();
            if (!manifest.symbolicName().equals(bundle.getSymbolicName())) {
                throw unfit(bundle, content, "it is " + manifest.label());
            }
            life.missing(manifest).ifPresent(missing -> {
                throw unfit(bundle, content, missing);
            });
            boolean twin = folders.bundlesNamed(manifest.symbolicName()).stream()
                    .anyMatch(
                            other -> !other.equals(bundle) && other.getVersion().equals(manifest.version()));
            if (twin) {
                throw unfit(bundle, content, manifest.label() + " is installed besides");
            }
        } catch (InvalidBundleException e) {
            throw unfit(bundle, content, e.sentence());
        } catch (IOException e) {
            throw new VfioException(Errno.ENOENT, content + " cannot be read: " + e);
        }
    }

    private static VfioException unfit(Bundle bundle, Path content, String why) {
        return new VfioException(
                Errno.EINVAL,
                content + " does not replace " + bundle.getSymbolicName() + " " + bundle.getVersion()
                        + ", which is left as it is: " + why);
    }
}
