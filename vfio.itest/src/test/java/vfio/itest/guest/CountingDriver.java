package vfio.itest.guest;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Stream;
import org.osgi.framework.BundleActivator;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.mediate.MediationContext;

/**
 * A vendor bundle for virtual functions of an {@code igb}: traps the first page of BAR0, counts what is read there and the
 * interrupts, and passes everything through.
 */
public final class CountingDriver implements BundleActivator, MediateOps {
    static final String NAME = "counting";

    private static final String SERVED = "8086:10ca";
    private static final List<String> IMPORTS =
            List.of("org.osgi.framework", "vfio.pci.api.device", "vfio.pci.api.mediate", "vfio.pci.api.pci");

    @Override
    public void start(BundleContext context) {
        context.registerService(
                MediateOps.class,
                this,
                FrameworkUtil.asDictionary(Map.of(MediateOps.NAME, NAME, MediateOps.SERVES, SERVED)));
    }

    @Override
    public void stop(BundleContext context) {
        // The framework unregisters the service.
    }

    @Override
    public Decision open(MediationContext context) {
        if (!context.device().ids().id().equals(SERVED)) {
            return Decision.decline("it is not " + SERVED);
        }
        context.relayInterrupts(true);
        return Decision.accept(new Counting());
    }

    private static final class Counting implements Mediation {
        private final AtomicLong reads = new AtomicLong();
        private final AtomicLong interrupts = new AtomicLong();

        @Override
        public RegionInfo regionInfo(RegionInfo hardware) {
            return hardware.index() != 0
                    ? hardware
                    : hardware.withAreas(
                            List.of(SparseArea.direct(RegionInfo.PAGE_SIZE, hardware.size() - RegionInfo.PAGE_SIZE)));
        }

        @Override
        public Result read(RegionAccess access) {
            if (access.region() == 0) {
                reads.incrementAndGet();
            }
            return Result.PASS_THROUGH;
        }

        @Override
        public void interrupt(int index, int vector) {
            interrupts.incrementAndGet();
        }

        @Override
        public Map<String, Long> counters() {
            return Map.of("reads", reads.get(), "interrupts", interrupts.get());
        }
    }

    /** Makes a bundle of it. */
    static Path jar(Path file) throws IOException {
        Manifest manifest = new Manifest();
        Attributes headers = manifest.getMainAttributes();
        headers.put(Attributes.Name.MANIFEST_VERSION, "1.0");
        headers.putValue("Bundle-ManifestVersion", "2");
        headers.putValue("Bundle-SymbolicName", "mediate.counting");
        headers.putValue("Bundle-Version", "1.0.0");
        headers.putValue("Bundle-Activator", CountingDriver.class.getName());
        headers.putValue("Import-Package", String.join(",", IMPORTS));
        try (OutputStream to = Files.newOutputStream(file);
                JarOutputStream jar = new JarOutputStream(to, manifest)) {
            for (Class<?> type : Stream.of(CountingDriver.class, Counting.class).toList()) {
                String name = type.getName().replace('.', '/') + ".class";
                jar.putNextEntry(new JarEntry(name));
                try (InputStream classFile = type.getClassLoader().getResourceAsStream(name)) {
                    classFile.transferTo(jar);
                }
            }
        }
        return file;
    }
}
