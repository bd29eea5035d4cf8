package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.tuple;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.Constants;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.ServiceRegistration;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.Explanation.Answer;
import vfio.pci.api.manage.Explanation.Verdict;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciRegion;

/** Who is asked for a device, in which order, and what comes of it. The drivers are those of the test. */
public class RankingIT extends InFramework {
    private static final String IGD = "0000:00:02.0";

    private final List<String> asked = new ArrayList<>();

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus());
    }

    @Before
    public void insertDevice() {
        insertIgd(IGD);
    }

    @Test
    public void withoutDriversTheDeviceIsPassedThrough() {
        OpenDevice device = open(IGD);

        assertThat(device.mediator()).isEmpty();
        assertThat(read(device, PciRegion.CONFIG, 0)).isEqualTo(0x5927_8086);
        assertThat(verdicts()).isEmpty();
        assertThat(outcome()).isEqualTo("passed through: no vendor driver is registered");
    }

    @Test
    public void theHigherRankingIsAskedFirstWhoeverCameFirst() {
        register("low", -1, declining("low"));
        register("high", 100, declining("high"));
        register("middle", 0, declining("middle"));
        open(IGD);

        assertThat(asked).containsExactly("high", "middle", "low");
        assertThat(mediatorNames()).containsExactly("high", "middle", "low");
    }

    @Test
    public void amongEqualsTheOlderServiceIsAskedFirst() {
        register("first", 7, declining("first"));
        register("second", 7, declining("second"));
        register("third", 7, declining("third"));
        open(IGD);

        assertThat(asked).containsExactly("first", "second", "third");
        assertThat(verdicts()).extracting(Verdict::serviceId).isSorted();
    }

    @Test
    public void everyDeclineIsRecordedWithItsReason() {
        register("high", 5, declining("high"));
        register("low", 1, declining("low"));
        OpenDevice device = open(IGD);

        assertThat(device.mediator()).isEmpty();
        assertThat(verdicts())
                .extracting(Verdict::mediator, Verdict::ranking, Verdict::answer, Verdict::reason)
                .containsExactly(
                        tuple("high", 5, Answer.DECLINED, "not for high"),
                        tuple("low", 1, Answer.DECLINED, "not for low"));
        assertThat(outcome()).isEqualTo("passed through: nobody claimed 8086:5927");
        assertThat(manager().explain(PciAddress.parse(IGD)).orElseThrow().user())
                .isEqualTo("test");
    }

    @Test
    public void theFirstAcceptanceWins() {
        register("high", 5, declining("high"));
        register("middle", 3, context -> Decision.accept(constant(0x1234)));
        register("low", 1, declining("low"));
        OpenDevice device = open(IGD);

        assertThat(device.mediator()).contains("middle");
        assertThat(asked).containsExactly("high");
        assertThat(read(device, PciRegion.BAR0, 0)).isEqualTo(0x1234);
        assertThat(outcome()).isEqualTo("mediated by middle");
        assertThat(manager().mediators())
                .extracting(MediatorInfo::name, MediatorInfo::openDevices)
                .containsExactly(tuple("high", 0), tuple("middle", 1), tuple("low", 0));
        device.close();
        assertThat(manager().mediators()).extracting(MediatorInfo::openDevices).containsOnly(0);
    }

    @Test
    public void whoFailsIsCountedAndTheNextIsAsked() {
        register("broken", 5, context -> {
            throw new IllegalStateException("out of order");
        });
        register("silent", 4, context -> null);
        register("good", 3, context -> Decision.accept(constant(1)));
        OpenDevice device = open(IGD);

        assertThat(device.mediator()).contains("good");
        assertThat(verdicts())
                .extracting(Verdict::answer)
                .containsExactly(Answer.FAILED, Answer.FAILED, Answer.ACCEPTED);
        assertThat(verdicts().get(0).reason()).isEqualTo("out of order");
        assertThat(manager().mediators()).extracting(MediatorInfo::failures).containsExactly(1L, 1L, 0L);
    }

    @Test
    public void aChangeOfRankingCountsFromTheNextOpenOn() {
        register("first", 1, declining("first"));
        ServiceRegistration<MediateOps> second = register("second", 0, declining("second"));
        second.setProperties(
                FrameworkUtil.asDictionary(Map.of(MediateOps.NAME, "second", Constants.SERVICE_RANKING, 2)));
        open(IGD);

        assertThat(asked).containsExactly("second", "first");
    }

    @Test
    public void anOpenDeviceStaysWithItsChoice() {
        register("good", 0, context -> Decision.accept(constant(1)));
        OpenDevice device = open(IGD);
        register("better", 100, context -> Decision.accept(constant(2)));

        assertThat(read(device, PciRegion.BAR0, 0)).isEqualTo(1);
        assertThat(device.mediator()).contains("good");
        device.close();
        assertThat(read(open(IGD), PciRegion.BAR0, 0)).isEqualTo(2);
    }

    @Test
    public void aDriverThatLeavesIsClosedBeforeItIsGone() {
        AtomicInteger closed = new AtomicInteger();
        ServiceRegistration<MediateOps> registration = register(
                "leaving",
                0,
                context -> Decision.accept(new Mediation() {
                    @Override
                    public void close() {
                        closed.incrementAndGet();
                    }
                }));
        OpenDevice device = open(IGD);
        registration.unregister();

        assertThat(closed).hasValue(1);
        assertThat(device.mediator()).isEmpty();
        assertThat(read(device, PciRegion.CONFIG, 0)).isEqualTo(0x5927_8086);
        device.close();
        assertThat(closed).hasValue(1);
    }

    @Test
    public void aDeviceHasOneUser() {
        OpenDevice device = open(IGD);

        assertRefused(Errno.EBUSY, () -> open(IGD), IGD + " is in use by test");
        assertThat(manager().opened(PciAddress.parse(IGD))).containsSame(device);
        device.close();
        assertThat(manager().opened(PciAddress.parse(IGD))).isEmpty();
        open(IGD);
    }

    @Test
    public void onlyWhatIsPresentCanBeOpened() {
        assertRefused(
                Errno.ENODEV, () -> open("0000:77:00.0"), "0000:77:00.0 is not present; vfio:devices lists what is");
        assertThat(manager().explain(PciAddress.parse("0000:77:00.0"))).isEmpty();
    }

    @Test
    public void aDeviceThatLeavesIsTakenFromItsUser() {
        AtomicInteger closed = new AtomicInteger();
        register(
                "holding",
                0,
                context -> Decision.accept(new Mediation() {
                    @Override
                    public void close() {
                        closed.incrementAndGet();
                    }
                }));
        Configured other = insertIgd("0000:10:00.0");
        OpenDevice device = open("0000:10:00.0");
        other.remove();
        eventually().untilAsserted(() -> assertThat(addresses()).doesNotContain(PciAddress.parse("0000:10:00.0")));

        eventually().untilAsserted(() -> assertThat(closed).hasValue(1));
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(() -> read(device, PciRegion.CONFIG, 0))
                .extracting(VfioException::errno)
                .isEqualTo(Errno.ENODEV);
        assertThat(manager().opened(PciAddress.parse("0000:10:00.0"))).isEmpty();
        insertIgd("0000:10:00.0");
        assertThat(open("0000:10:00.0").mediator()).contains("holding");
    }

    private MediateOps declining(String name) {
        return context -> {
            asked.add(name);
            return Decision.decline("not for " + name);
        };
    }

    private static Mediation constant(int value) {
        return new Mediation() {
            @Override
            public Result read(RegionAccess access) {
                access.setValue(value);
                return Result.DONE;
            }
        };
    }

    private List<Verdict> verdicts() {
        return manager().explain(PciAddress.parse(IGD)).orElseThrow().verdicts();
    }

    private String outcome() {
        return manager().explain(PciAddress.parse(IGD)).orElseThrow().outcome();
    }

    private static void assertRefused(Errno errno, ThrowingCallable call, String sentence) {
        assertThatExceptionOfType(VfioException.class)
                .isThrownBy(call)
                .withMessage(sentence)
                .extracting(VfioException::errno)
                .isEqualTo(errno);
    }
}
