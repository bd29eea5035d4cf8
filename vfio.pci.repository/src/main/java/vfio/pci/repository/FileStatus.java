package vfio.pci.repository;

import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.osgi.framework.Bundle;
import vfio.pci.api.manage.BundleFiles.BundleFile;
import vfio.pci.api.manage.BundleFiles.Folder;
import vfio.pci.api.manage.BundleFiles.State;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.repository.BundleFolders.Failure;

/** Says what became of a file: from the file, the framework, and what is remembered of failures. */
final class FileStatus {
    private final BundleFolders folders;
    private final BundleLife life;
    private final Drivers drivers;

    FileStatus(BundleFolders folders, BundleLife life, Drivers drivers) {
        this.folders = folders;
        this.life = life;
        this.drivers = drivers;
    }

    BundleFile of(BundleJar jar, Folder folder) {
        Optional<Bundle> bundle = folders.bundleOf(jar.file());
        if (folder == Folder.DEPLOY && folders.isBusy(jar.file())) {
            return file(jar, folder, bundle, State.WAITING, "its bundle is being installed or started");
        }
        if (folder == Folder.DEPLOY && !folders.isSettled(jar)) {
            return file(
                    jar,
                    folder,
                    bundle,
                    State.WAITING,
                    "it is looked at when it does not change any more" + goingOn(bundle));
        }
        BundleManifest manifest = jar.manifest();
        if (manifest == null) {
            InvalidBundleException defect = jar.defect();
            return file(
                    jar,
                    folder,
                    bundle,
                    defect != null && defect.isManifestWrong() ? State.WRONG_MANIFEST : State.NOT_A_BUNDLE,
                    (defect == null ? "" : defect.sentence()) + goingOn(bundle));
        }
        boolean loaded = folder == Folder.REPOSITORY
                && bundle.filter(BundleLife::isRunning).isPresent();
        Optional<Failure> failure = folders.failure(jar).filter(last -> !loaded);
        if (failure.isPresent()) {
            return file(
                    jar, folder, bundle, failure.get().state(), failure.get().sentence() + goingOn(bundle));
        }
        return bundle.map(installed -> installed(jar, manifest, folder, installed))
                .orElseGet(() -> absent(jar, manifest, folder));
    }

    private BundleFile installed(BundleJar jar, BundleManifest manifest, Folder folder, Bundle bundle) {
        if (BundleLife.isRunning(bundle)) {
            return file(jar, folder, Optional.of(bundle), State.ACTIVE, remark(manifest, bundle));
        }
        Optional<String> missing = life.missing(bundle);
        if (bundle.getState() == Bundle.INSTALLED && (missing.isPresent() || BundleLife.isWanted(bundle))) {
            return file(
                    jar,
                    folder,
                    Optional.of(bundle),
                    State.UNRESOLVED,
                    missing.orElse("what it needs is there but does not fit together; felix:resolve "
                            + bundle.getBundleId() + " says more"));
        }
        return file(
                jar,
                folder,
                Optional.of(bundle),
                State.RESOLVED,
                manifest.host()
                        .map(host -> "it is a fragment, which takes effect when " + host + " is started next")
                        .orElse("it was stopped; felix:start " + bundle.getBundleId() + " starts it"));
    }

    private BundleFile absent(BundleJar jar, BundleManifest manifest, Folder folder) {
        if (folder == Folder.DEPLOY) {
            return file(
                    jar,
                    folder,
                    Optional.empty(),
                    State.FAILED,
                    "its bundle was uninstalled; touch the file to install it again");
        }
        String offers = manifest.offers().stream().map(Offer::toString).collect(Collectors.joining(" or "));
        return file(
                jar,
                folder,
                Optional.empty(),
                State.AVAILABLE,
                others(manifest.symbolicName(), Optional.empty())
                        .map(others -> "it is not loaded besides " + others)
                        .orElse(
                                offers.isEmpty()
                                        ? "it does not say which devices it mediates, so it is never loaded"
                                        : "for " + offers));
    }

    /** What there is to know about a bundle that runs. */
    private String remark(BundleManifest manifest, Bundle bundle) {
        if (!manifest.version().equals(bundle.getVersion())) {
            return bundle.getVersion() + " runs, which is not what the file is: vfio:update " + bundle.getBundleId()
                    + " takes the file";
        }
        if (!manifest.offers().isEmpty() && !Drivers.offers(bundle)) {
            return "it offers no driver now";
        }
        return others(manifest.symbolicName(), Optional.of(bundle))
                .map(others -> "two versions at once: besides " + others + "; " + first(manifest.symbolicName()))
                .orElse("");
    }

    private Optional<String> others(String symbolicName, Optional<Bundle> self) {
        List<Bundle> others = folders.bundlesNamed(symbolicName).stream()
                .filter(other -> !self.equals(Optional.of(other)))
                .toList();
        return others.isEmpty()
                ? Optional.empty()
                : Optional.of(others.stream()
                        .map(other -> other.getVersion() + " from " + Locations.brief(other.getLocation()))
                        .collect(Collectors.joining(" and ")));
    }

    /** Which of the bundles of a name is asked first for a device. */
    private String first(String symbolicName) {
        List<Bundle> rivals = folders.bundlesNamed(symbolicName);
        for (MediatorInfo driver : drivers.known()) {
            for (Bundle rival : rivals) {
                if (rival.getBundleId() == driver.bundleId()) {
                    return rival.getVersion() + " is asked first";
                }
            }
        }
        return "none of them offers a driver now";
    }

    private static String goingOn(Optional<Bundle> bundle) {
        return bundle.filter(BundleLife::isRunning)
                .map(running -> "; " + running.getVersion() + " from before goes on")
                .orElse("");
    }

    private static BundleFile file(BundleJar jar, Folder folder, Optional<Bundle> bundle, State state, String reason) {
        BundleManifest manifest = jar.manifest();
        return new BundleFile(
                jar.file(),
                folder,
                manifest == null || state == State.WAITING ? "" : manifest.label(),
                bundle.map(Bundle::getBundleId).orElse(-1L),
                state,
                reason);
    }
}
