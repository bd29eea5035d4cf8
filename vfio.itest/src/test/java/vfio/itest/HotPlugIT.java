package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.felix.service.command.CommandProcessor;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.Constants;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.framework.ServiceEvent;
import org.osgi.framework.ServiceListener;
import org.osgi.framework.ServiceReference;
import vfio.linux.EventFd;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.VfioUserClient;

/** Functions are pulled out of the simulated bus and put back from the shell, while clients use them. */
public class HotPlugIT extends InFramework {
    private static final String PF = "0000:03:00.0";
    private static final String VF = "0000:03:02.0";
    private static final String OTHER_VF = "0000:03:02.1";

    private static final long PATIENCE_SECONDS = 20;

    /** How long a client may take to give a device back. */
    private static final Duration WITHDRAWAL = Duration.ofSeconds(2);

    /** VFGEN_RSTAT: the function is ready. */
    private static final int RSTAT = 0x8800;

    private static final int READY = 2;

    /** VFQF_HKEY, which keeps what is written. */
    private static final int HASH_KEY = 0xcc00;

    /** VFINT_DYN_CTL01 and its bits INTENA and SWINT_TRIG. */
    private static final int DYN_CTL01 = 0x5c00;

    private static final int ENABLE_AND_TRIGGER = 0x5;

    private final List<String> events = new CopyOnWriteArrayList<>();
    private final ServiceListener listener = event -> events.add(describe(event));
    private final List<AutoCloseable> owned = new ArrayList<>();
    private Configured card;
    private ShellSession shell;

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), vendors(), server(), shell());
    }

    @Before
    public void insertCard() throws InvalidSyntaxException {
        shell = new ShellSession(service(CommandProcessor.class));
        card = insertXl710(PF, 2);
        eventually().untilAsserted(() -> assertThat(mediatorNames()).contains("i40e"));
        awaitSockets(VF, OTHER_VF);
        eventually().untilAsserted(() -> assertThat(shell.run("sim:devices")).contains(PF));
        context.addServiceListener(
                listener,
                "(|(" + Constants.OBJECTCLASS + "=" + PciDevice.class.getName() + ")(" + Constants.OBJECTCLASS + "="
                        + MediateOps.class.getName() + "))");
    }

    @After
    public void close() throws Exception {
        context.removeServiceListener(listener);
        for (AutoCloseable each : owned) {
            each.close();
        }
        shell.close();
    }

    @Test
    public void aPhysicalFunctionLeavesLastAndComesFirst() {
        assertThat(shell.run("sim:remove 3:0.0"))
                .isEqualTo(PF + " and 2 virtual functions are removed; put them back with: sim:add " + PF);

        assertThat(functionEvents()).containsExactly("- " + OTHER_VF, "- " + VF, "- " + PF);
        assertThat(addresses()).isEmpty();
        assertThat(shell.lines("sim:devices"))
                .filteredOn(line -> line.endsWith("removed"))
                .hasSize(3);
        awaitSockets();
        events.clear();

        assertThat(shell.run("sim:add 3:0.0")).isEqualTo(PF + " and 2 virtual functions are back");

        assertThat(functionEvents()).containsExactly("+ " + PF, "+ " + VF, "+ " + OTHER_VF);
        assertThat(events)
                .as("whoever mediates virtual functions is there before the first of them")
                .containsSubsequence("+ i40e", "+ " + VF);
        awaitSockets(VF, OTHER_VF);
        assertThat(open(VF).mediator()).contains("i40e");
    }

    @Test
    public void aFunctionThatComesBackIsAsAfterPowerOn() {
        try (VfioUserClient client = connect(VF)) {
            client.writeInt(PciRegion.BAR0, HASH_KEY, 0x0bad_cafe);
        }
        shell.run("sim:remove 3:2.0");
        assertThat(shell.error("vfio:open 3:2.0")).contains("is not present");
        awaitSockets(OTHER_VF);

        assertThat(shell.run("sim:add 3:2.0")).isEqualTo(VF + " is back");

        try (VfioUserClient client = connect(VF)) {
            assertThat(client.readInt(PciRegion.BAR0, HASH_KEY)).isZero();
            assertThat(client.readInt(PciRegion.BAR0, RSTAT)).isEqualTo(READY);
        }
    }

    @Test
    public void aClientIsAskedForItsDeviceAndThenCutOff() throws Exception {
        VfioUserClient client = connect(VF);
        EventFd request = own(client.enableIrq(PciInterrupt.REQ, 0));
        long start = System.nanoTime();
        CompletableFuture<String> removal = CompletableFuture.supplyAsync(() -> shell.run("sim:remove 3:2.0"));

        assertThat(request.await(Duration.ofSeconds(PATIENCE_SECONDS))).isTrue();
        assertThat(client.readInt(PciRegion.BAR0, RSTAT))
                .as("read while it is being asked")
                .isEqualTo(READY);
        assertThat(removal).isNotDone();

        assertThat(removal.get(PATIENCE_SECONDS, TimeUnit.SECONDS)).startsWith(VF + " is removed");
        assertThat(socket(VF)).doesNotExist();
        assertThat(elapsedSince(start)).isBetween(WITHDRAWAL, WITHDRAWAL.multipliedBy(2));
        assertThat(request.drain()).as("how often it was asked").isOne();
        assertThatThrownBy(() -> client.readInt(PciRegion.BAR0, RSTAT))
                .isInstanceOfSatisfying(VfioException.class, failure -> assertThat(failure.errno())
                        .isEqualTo(Errno.ENOTCONN));
        assertThat(manager().opened(PciAddress.parse(VF))).isEmpty();
    }

    @Test
    public void aClientThatGivesItsDeviceBackIsNotWaitedFor() throws Exception {
        VfioUserClient client = connect(VF);
        EventFd request = own(client.enableIrq(PciInterrupt.REQ, 0));
        CompletableFuture<Void> leaving = CompletableFuture.runAsync(() -> {
            assertThat(request.await(Duration.ofSeconds(PATIENCE_SECONDS))).isTrue();
            client.close();
        });
        long start = System.nanoTime();

        shell.run("sim:remove 3:2.0");

        assertThat(elapsedSince(start)).isLessThan(WITHDRAWAL.dividedBy(2));
        leaving.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    @Test
    public void everyClientOfACardIsAsked() throws Exception {
        VfioUserClient first = connect(VF);
        VfioUserClient second = connect(OTHER_VF);
        EventFd ofFirst = own(first.enableIrq(PciInterrupt.REQ, 0));
        EventFd ofSecond = own(second.enableIrq(PciInterrupt.REQ, 0));
        CompletableFuture<String> removal = CompletableFuture.supplyAsync(() -> shell.run("sim:remove 3:0.0"));

        assertThat(ofSecond.await(Duration.ofSeconds(PATIENCE_SECONDS))).isTrue();
        assertThat(first.readInt(PciRegion.BAR0, RSTAT)).isEqualTo(READY);
        second.close();
        assertThat(ofFirst.await(Duration.ofSeconds(PATIENCE_SECONDS))).isTrue();
        first.close();

        assertThat(removal.get(PATIENCE_SECONDS, TimeUnit.SECONDS)).contains("2 virtual functions are removed");
    }

    @Test
    public void clientsDoNotNoticeThatOtherVirtualFunctionsComeAndGo() throws Exception {
        VfioUserClient client = connect(VF);
        EventFd request = own(client.enableIrq(PciInterrupt.REQ, 0));
        EventFd interrupt = own(client.enableIrq(PciInterrupt.MSIX, 0));
        client.writeInt(PciRegion.BAR0, HASH_KEY, 0x0bad_cafe);
        Object physical = serviceId(PF);
        Object virtual = serviceId(VF);
        VfioUserClient leaver = connect(OTHER_VF);
        EventFd ofLeaver = own(leaver.enableIrq(PciInterrupt.REQ, 0));
        CompletableFuture<Void> leaving = CompletableFuture.runAsync(() -> {
            assertThat(ofLeaver.await(Duration.ofSeconds(PATIENCE_SECONDS))).isTrue();
            leaver.close();
        });
        try (Reader reader = new Reader(client)) {
            assertThat(shell.run("sim:vfs 3:0.0 4")).endsWith(" has 4 virtual functions, " + VF + " to 0000:03:02.3");
            awaitSockets(VF, OTHER_VF, "0000:03:02.2", "0000:03:02.3");
            assertThat(leaving).isNotDone();
            assertThat(shell.run("sim:vfs 3:0.0 1")).endsWith(" has 1 virtual function, " + VF);
            leaving.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            awaitSockets(VF);
            shell.run("sim:vfs 3:0.0 32");
            shell.run("sim:vfs 3:0.0 3");
            awaitSockets(VF, OTHER_VF, "0000:03:02.2");
            reader.awaitMore();
        }

        assertThat(functionEvents().stream().limit(7))
                .containsExactly(
                        "~ " + PF,
                        "+ 0000:03:02.2",
                        "+ 0000:03:02.3",
                        "- 0000:03:02.3",
                        "- 0000:03:02.2",
                        "- " + OTHER_VF,
                        "~ " + PF);
        assertThat(functionEvents()).noneMatch(event -> event.endsWith(VF));
        assertThat(serviceId(PF)).isEqualTo(physical);
        assertThat(serviceId(VF)).isEqualTo(virtual);
        assertThat(request.drain()).isZero();
        assertThat(client.readInt(PciRegion.BAR0, HASH_KEY)).isEqualTo(0x0bad_cafe);
        client.writeInt(PciRegion.BAR0, DYN_CTL01, ENABLE_AND_TRIGGER);
        assertThat(interrupt.await(Duration.ofSeconds(PATIENCE_SECONDS))).isTrue();
        assertThat(manager().opened(PciAddress.parse(VF)).orElseThrow().mediator())
                .contains("i40e");
    }

    @Test
    public void aPhysicalFunctionWithoutVirtualOnesIsForAVmm() {
        shell.run("sim:vfs 3:0.0 0");
        awaitSockets(PF);
        assertThat(shell.run("vfio:devices 3:0.0")).contains("assignable  yes");
        VfioUserClient client = connect(PF);
        assertThat(client.readInt(PciRegion.CONFIG, 0)).isEqualTo(0x1572_8086);

        assertThat(shell.error("sim:vfs 3:0.0 1")).startsWith("EBUSY: " + PF + " is in use itself");

        awaitSockets(PF);
        assertThat(client.readInt(PciRegion.CONFIG, 0)).isEqualTo(0x1572_8086);
        client.close();
        eventually().untilAsserted(() -> assertThat(manager().opened(PciAddress.parse(PF)))
                .isEmpty());
        shell.run("sim:vfs 3:0.0 1");
        awaitSockets(VF);
        assertThat(shell.run("vfio:devices 3:0.0")).contains("no: " + PF + " has 1 virtual function");
    }

    @Test
    public void aPhysicalFunctionThatComesLaterTakesNothingOver() throws Exception {
        assertThat(shell.run("sim:remove --only 3:0.0")).isEqualTo(PF + " is removed; put it back with: sim:add " + PF);
        assertThat(functionEvents()).containsExactly("- " + PF);
        assertThat(mediatorNames()).doesNotContain("i40e");
        VfioUserClient client = connect(VF);
        client.writeInt(PciRegion.BAR0, HASH_KEY, 0x0bad_cafe);
        try (Reader reader = new Reader(client)) {
            assertThat(mediatorOf(VF)).isEmpty();

            assertThat(shell.run("sim:add 3:0.0")).isEqualTo(PF + " is back");

            eventually().untilAsserted(() -> assertThat(mediatorNames()).contains("i40e"));
            reader.awaitMore();
            assertThat(mediatorOf(VF)).isEmpty();
            assertThat(shell.run("vfio:rebind 3:2.0")).contains("i40e", "accepted");
            assertThat(mediatorOf(VF)).contains("i40e");
            reader.awaitMore();
        }
        assertThat(client.readInt(PciRegion.BAR0, HASH_KEY)).isEqualTo(0x0bad_cafe);
    }

    @Test
    public void aPhysicalFunctionThatGoesAloneHandsItsVirtualOnesOver() throws Exception {
        VfioUserClient client = connect(VF);
        assertThat(mediatorOf(VF)).contains("i40e");
        try (Reader reader = new Reader(client)) {
            shell.run("sim:remove --only 3:0.0");
            assertThat(shell.run("vfio:devices 3:2.0")).contains("waits for a successor of i40e");
            shell.run("sim:add 3:0.0");

            eventually().untilAsserted(() -> assertThat(mediatorOf(VF)).contains("i40e"));
            reader.awaitMore();
        }
    }

    @Test
    public void aVirtualFunctionNeedsItsPhysicalOne() {
        shell.run("sim:remove 3:0.0");

        assertThat(shell.error("sim:add 3:2.0"))
                .isEqualTo("ENODEV: " + VF + " is a virtual function of " + PF
                        + ", which is not present; put that one back first");
        assertThat(shell.error("sim:remove 3:0.0"))
                .isEqualTo("ENODEV: " + PF + " is not present; put it back with sim:add " + PF);
        assertThat(shell.error("sim:vfs 3:0.0 3")).contains("is not present");
        assertThat(addresses()).isEmpty();
    }

    /** A new configuration is a new card, whatever has been done to the old one. */
    @Test
    public void aNewConfigurationIsANewCard() {
        shell.run("sim:remove 3:2.0");
        shell.run("sim:vfs 3:0.0 8");
        Object before = serviceId(PF);

        card.update(Map.of("address", PF, "vfs", 3));

        awaitSockets(VF, OTHER_VF, "0000:03:02.2");
        assertThat(serviceId(PF)).isNotEqualTo(before);
        assertThat(shell.lines("sim:devices"))
                .filteredOn(line -> line.endsWith("present"))
                .hasSize(4);
    }

    /** Reads a register as fast as it can; a failure, or a wrong value, fails the test. */
    private static final class Reader implements AutoCloseable {
        private final AtomicBoolean stopped = new AtomicBoolean();
        private final AtomicInteger reads = new AtomicInteger();
        private final CompletableFuture<Void> reading;

        Reader(VfioUserClient client) {
            reading = CompletableFuture.runAsync(() -> {
                while (!stopped.get()) {
                    assertThat(client.readInt(PciRegion.BAR0, RSTAT)).isEqualTo(READY);
                    reads.incrementAndGet();
                }
            });
        }

        /** Waits until it has gone on for a while. */
        void awaitMore() {
            int before = reads.get();
            eventually().until(() -> reading.isDone() || reads.get() > before + 100);
        }

        @Override
        public void close() throws Exception {
            stopped.set(true);
            reading.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }
    }

    private Optional<String> mediatorOf(String address) {
        return manager().opened(PciAddress.parse(address)).orElseThrow().mediator();
    }

    private VfioUserClient connect(String address) {
        awaitSocket(address);
        return own(VfioUserClient.connect(socket(address)));
    }

    private <T extends AutoCloseable> T own(T closeable) {
        owned.add(closeable);
        return closeable;
    }

    private void awaitSocket(String address) {
        eventually().until(() -> Files.exists(socket(address)));
    }

    /** Exactly these devices have sockets. */
    private void awaitSockets(String... addresses) {
        eventually().untilAsserted(() -> assertThat(sockets())
                .containsExactlyInAnyOrderElementsOf(
                        Stream.of(addresses).map(this::socket).toList()));
    }

    private List<Path> sockets() throws Exception {
        try (Stream<Path> files = Files.list(socket(PF).getParent())) {
            return files.filter(file -> !file.endsWith("admin.sock")).toList();
        }
    }

    private Path socket(String address) {
        return Path.of(context.getProperty(SOCKET_DIRECTORY), address + ".sock");
    }

    private Object serviceId(String address) {
        try {
            return context.getServiceReferences(PciDevice.class, "(" + PciDevice.ADDRESS + "=" + address + ")").stream()
                    .map(reference -> reference.getProperty(Constants.SERVICE_ID))
                    .findFirst()
                    .orElseThrow(() -> new AssertionError(address + " is not present"));
        } catch (InvalidSyntaxException e) {
            throw new AssertionError(e);
        }
    }

    private List<String> functionEvents() {
        return events.stream().filter(event -> event.contains(":")).toList();
    }

    private static String describe(ServiceEvent event) {
        ServiceReference<?> reference = event.getServiceReference();
        Object address = reference.getProperty(PciDevice.ADDRESS);
        String sign =
                switch (event.getType()) {
                    case ServiceEvent.REGISTERED -> "+ ";
                    case ServiceEvent.UNREGISTERING -> "- ";
                    default -> "~ ";
                };
        return sign + (address == null ? reference.getProperty(MediateOps.NAME) : address);
    }

    private static Duration elapsedSince(long start) {
        return Duration.ofNanos(System.nanoTime() - start);
    }
}
