package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.ops4j.pax.exam.CoreOptions.bundle;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.IntSupplier;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.ServiceRegistration;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.RegionInfo.Flag;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.testing.FakeDevice;
import vfio.pci.api.testing.MediatedDevice;
import vfio.pci.api.testing.Verdict;

/** The testing kit for vendors and the core come to the same, driver by driver and access by access. */
public class VendorKitIT extends InFramework {
    private static final long SIZE = 0x10000;
    private static final int ADDED = 9;

    private static final SparseArea LOW = SparseArea.direct(0, 0x1000);
    private static final SparseArea HIGH = SparseArea.disablable(0x8000, 0x2000);

    /** Where the core reports what drivers get wrong, which nobody needs to read here. */
    private final Logger reports = Logger.getLogger("vfio.pci.core");

    private final List<String> told = new ArrayList<>();

    /** Describes BAR0 in its own way, answers some registers, leaves a state. */
    private class Driver implements Mediation {
        private final RegionInfo bar0;

        Driver(RegionInfo bar0) {
            this.bar0 = bar0;
        }

        @Override
        public RegionInfo regionInfo(RegionInfo hardware) {
            return hardware.index() == 0 ? bar0 : hardware;
        }

        @Override
        public Result read(RegionAccess access) {
            if (access.offset() != 8) {
                return Result.PASS_THROUGH;
            }
            access.putInt(0, 0xcafe);
            return Result.DONE;
        }

        @Override
        public Result write(RegionAccess access) {
            if (access.offset() == 16) {
                access.putInt(0, access.getInt(0) + 1);
            }
            return access.offset() == 8 ? Result.DONE : Result.PASS_THROUGH;
        }

        @Override
        public void trapChanged(boolean trapped) {
            told.add("trapChanged " + trapped);
        }

        @Override
        public Optional<HandOverState> suspend() {
            told.add("suspend");
            return Optional.of(new HandOverState("test", 1, new byte[1]));
        }

        @Override
        public void close() {
            told.add("close");
        }
    }

    @Configuration
    public Option[] configuration() {
        Path kit = Path.of(System.getProperty("basedir", ""))
                .toAbsolutePath()
                .resolveSibling("vfio.pci.api/target")
                .resolve("vfio.pci.api-" + System.getProperty("project.version") + "-tests.jar");
        return options(core(), bundle("reference:" + kit.toUri()));
    }

    @Before
    public void silence() {
        reports.setLevel(Level.OFF);
    }

    @After
    public void endSilence() {
        reports.setLevel(null);
    }

    @Test
    public void bothJudgeDriversAlike() {
        drivers().forEach((name, driver) -> {
            String kit = device().ask(driver).toString();
            String core = inCore(device(), driver, opened -> verdict(explain(opened), "driver"));

            assertThat(kit).as(name).isEqualTo(core);
        });
    }

    @Test
    public void bothJudgeSuccessorsAlike() {
        MediateOps before = taking(new Driver(bar0(LOW, HIGH)));
        drivers().forEach((name, successor) -> {
            String kit;
            try (MediatedDevice opened = device().mediatedBy(before)) {
                opened.suspend();
                kit = opened.offer(successor).toString();
            }
            String core = inCore(device(), before, opened -> {
                ServiceRegistration<MediateOps> registration = register("successor", 0, successor);
                try {
                    return verdict(manager().rebind(opened.device().address(), Optional.of("successor")), "successor");
                } finally {
                    registration.unregister();
                }
            });

            assertThat(kit).as(name).isEqualTo(core);
        });
    }

    @Test
    public void bothAnswerAccessesAlike() {
        MediateOps driver = context -> {
            context.addRegion(new RegionInfo(0, 64, Set.of(Flag.READ), List.of(), 3, 1));
            return Decision.accept(new Driver(bar0(LOW)));
        };
        FakeDevice forKit = device();
        List<String> kit;
        try (MediatedDevice opened = forKit.mediatedBy(driver)) {
            kit = outcomes(opened::readInt, opened::writeInt);
        }
        FakeDevice forCore = device();
        List<String> core = inCore(
                forCore,
                driver,
                opened -> outcomes(
                        (region, offset) -> read(opened, region, offset),
                        (region, offset, value) -> write(opened, region, offset, value)));

        assertThat(kit).isEqualTo(core).contains("51966", "8", "EINVAL", "EACCES", "EIO");
        assertThat(forKit.region(0).writes())
                .isEqualTo(forCore.region(0).writes())
                .isNotEmpty();
    }

    /** Requests of the mediation and the administrator, confirmed or not, with and without change. */
    @Test
    public void bothTellOfTrapsAlike() {
        MediationContext[] lent = new MediationContext[1];
        MediateOps driver = context -> {
            lent[0] = context;
            return Decision.accept(new Driver(bar0(HIGH)));
        };
        List<String> kit = new ArrayList<>();
        try (MediatedDevice opened = device().mediatedBy(driver)) {
            trap(
                    lent[0],
                    opened::requestTrap,
                    opened::confirmTrap,
                    () -> kit.add(
                            opened.isTrapped() + " " + opened.regionInfo(0).areas()));
        }
        kit.addAll(told);
        told.clear();
        List<String> core = new ArrayList<>();
        inCore(device(), driver, opened -> {
            Bell bell = new Bell();
            opened.connect(PciInterrupt.TRAP_CHANGED, InterruptAction.TRIGGER, 0, List.of(bell));
            trap(
                    lent[0],
                    opened::trap,
                    () -> {
                        while (bell.heard()) {
                            opened.act(PciInterrupt.TRAP_CHANGED, InterruptAction.UNMASK, 0, 1);
                        }
                    },
                    () -> core.add(opened.trapStatus().inForce() + " "
                            + opened.regionInfo(0).areas()));
            return "";
        });
        core.addAll(told);

        assertThat(kit).isEqualTo(core).contains("trapChanged true", "trapChanged false");
    }

    private static void trap(
            MediationContext mediation, Consumer<Boolean> administrator, Runnable confirm, Runnable look) {
        mediation.trap(true);
        look.run();
        confirm.run();
        look.run();
        administrator.accept(true);
        mediation.trap(false);
        look.run();
        administrator.accept(false);
        look.run();
        administrator.accept(true);
        confirm.run();
        mediation.trap(true);
        administrator.accept(false);
        look.run();
        mediation.trap(false);
        look.run();
    }

    /** Drivers that are right in some way or wrong in some way. */
    private Map<String, MediateOps> drivers() {
        Map<String, MediateOps> drivers = new LinkedHashMap<>();
        drivers.put("declines", context -> Decision.decline("not mine"));
        drivers.put("returns null", context -> null);
        drivers.put("throws", context -> {
            throw new IllegalStateException("slip");
        });
        drivers.put("refuses", context -> {
            throw new IllegalStateException();
        });
        drivers.put("passes through", taking(new Mediation() {}));
        drivers.put("ignores the state", context -> Decision.accept(new Driver(bar0(LOW, HIGH))));
        drivers.put("adds a region", context -> {
            context.handedOver();
            context.addRegion(new RegionInfo(0, 64, Set.of(Flag.READ), List.of(), 3, 1));
            return Decision.accept(new Driver(bar0(LOW, HIGH)));
        });
        drivers.put("adds a region without type", context -> {
            context.addRegion(RegionInfo.trapped(0, 64));
            return Decision.accept(new Mediation() {});
        });
        List<RegionInfo> layouts = List.of(
                bar0(LOW, HIGH),
                bar0(SparseArea.disablable(0, 0x1000), HIGH),
                bar0(LOW, SparseArea.disablable(0x8000, 0x1000), SparseArea.direct(0x9000, 0x1000)),
                bar0(LOW),
                bar0(HIGH),
                bar0(),
                bar0(LOW, LOW),
                bar0(HIGH, LOW),
                bar0(SparseArea.direct(0, 0x800)),
                bar0(SparseArea.direct(0x800, 0x1000)),
                bar0(SparseArea.direct(0, 0)),
                bar0(SparseArea.direct(0x8000, SIZE)),
                bar0(SparseArea.direct(-0x1000, 0x1000)),
                bar0(LOW).withIndex(1),
                RegionInfo.absent(0),
                RegionInfo.mappable(0, 2 * SIZE),
                new RegionInfo(0, SIZE, Set.of(Flag.READ), List.of(), 0, 0),
                new RegionInfo(0, SIZE, Set.of(Flag.READ, Flag.WRITE), List.of(LOW), 0, 0),
                new RegionInfo(0, SIZE, Set.of(Flag.values()), List.of(), 5, 6));
        layouts.forEach(layout -> drivers.put("describes " + layout, taking(new Driver(layout))));
        return drivers;
    }

    private static RegionInfo bar0(SparseArea... areas) {
        return RegionInfo.mappable(0, SIZE).withAreas(List.of(areas));
    }

    private static MediateOps taking(Mediation mediation) {
        return context -> {
            context.handedOver();
            return Decision.accept(mediation);
        };
    }

    private static FakeDevice device() {
        return FakeDevice.of("1234:11e8").withBar(0, SIZE).withBar(2, 0x1000);
    }

    /** Opens a device in the core, with a driver that other drivers call the driver before. */
    private <T> T inCore(FakeDevice device, MediateOps driver, Use<T> use) {
        ServiceRegistration<PciDevice> function = context.registerService(
                PciDevice.class, device, FrameworkUtil.asDictionary(PciDevice.serviceProperties(device)));
        ServiceRegistration<MediateOps> registration = register("the driver before", 1, driver);
        try (OpenDevice opened = open(device.address().toString(), ClientFeature.DYNAMIC_TRAP)) {
            return use.of(opened);
        } finally {
            registration.unregister();
            function.unregister();
        }
    }

    private interface Use<T> {
        T of(OpenDevice device);
    }

    private Explanation explain(OpenDevice device) {
        return manager().explain(device.device().address()).orElseThrow();
    }

    private static String verdict(Explanation explanation, String mediator) {
        return explanation.verdicts().stream()
                .filter(verdict -> verdict.mediator().endsWith(mediator) || mediator.equals("driver"))
                .map(verdict -> new Verdict(verdict.answer(), verdict.reason()).toString())
                .findFirst()
                .orElseThrow();
    }

    private interface Read {
        int at(int region, long offset);
    }

    private interface Write {
        void at(int region, long offset, int value);
    }

    /** What becomes of reads and writes inside and outside of regions. */
    private static List<String> outcomes(Read read, Write write) {
        List<String> outcomes = new ArrayList<>();
        for (int region = -1; region <= ADDED + 1; region++) {
            for (long offset : new long[] {-4, 0, 4, 8, 16, 64, SIZE - 4, SIZE - 3, SIZE}) {
                int index = region;
                outcomes.add(outcome(() -> read.at(index, offset)));
                outcomes.add(outcome(() -> {
                    write.at(index, offset, 7);
                    return read.at(index, offset);
                }));
            }
        }
        return outcomes;
    }

    private static String outcome(IntSupplier access) {
        try {
            return Integer.toString(access.getAsInt());
        } catch (VfioException e) {
            return e.errno().toString();
        }
    }

    /** What a client hears when the layout changes. */
    private static final class Bell implements Signal {
        private int rung;

        @Override
        public void signal() {
            rung++;
        }

        /** Whether it has rung once more than was asked. */
        boolean heard() {
            if (rung == 0) {
                return false;
            }
            rung--;
            return true;
        }

        @Override
        public void close() {}
    }
}
