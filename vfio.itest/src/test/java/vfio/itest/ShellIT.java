package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.util.List;
import org.apache.felix.service.command.CommandProcessor;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.pci.PciAddress;

/** The shell's commands on the simulated bus: what they print, and the sentences when something is wrong. */
public class ShellIT extends InFramework {
    private static final String PF = "0000:03:00.0";
    private static final String VF = "0000:03:02.0";
    private static final String IGD = "0000:00:02.0";

    private ShellSession session;

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), vendors(), server(), shell());
    }

    @Before
    public void openSession() {
        insertXl710(PF, 2);
        insertIgd(IGD);
        eventually().untilAsserted(() -> assertThat(mediatorNames()).containsExactlyInAnyOrder("i40e", "igd"));
        session = new ShellSession(service(CommandProcessor.class));
        eventually().untilAsserted(() -> assertThat(run("vfio:devices")).contains(VF + ".sock", IGD + ".sock"));
    }

    @After
    public void closeSession() {
        session.close();
    }

    @Test
    public void devices() {
        assertThat(lines("vfio:devices"))
                .hasSize(5)
                .satisfies(lines -> assertThat(lines.get(0)).contains("address", "id", "what", "state", "socket"))
                .satisfies(
                        lines -> assertThat(lines.get(1)).startsWith(IGD).contains("8086:5927", "free", IGD + ".sock"))
                .satisfies(lines -> assertThat(lines.get(2)).startsWith(PF).contains("8086:1572", "not assignable"))
                .satisfies(lines -> assertThat(lines.get(3))
                        .startsWith(VF)
                        .contains("8086:154c", "VF 0 of " + PF, "simulated", VF + ".sock"));
    }

    @Test
    public void oneDevice() {
        assertThat(run("vfio:devices 3:2.0")).contains("8086:154c", "VF 0 of " + PF, "nobody");
        run("vfio:open 3:2.0");
        assertThat(run("vfio:devices 3:2.0")).contains("shell", "i40e", "bar0.reads.trapped=0");
        assertThat(run("vfio:devices 3:0.0")).contains("no: ", "virtual functions");
        run("vfio:close 3:2.0");
    }

    @Test
    public void mediators() {
        assertThat(lines("vfio:mediators"))
                .hasSize(3)
                .anySatisfy(line -> assertThat(line).startsWith("igd").contains("Intel graphics by id", "mediate.igd"))
                .anySatisfy(line -> assertThat(line).startsWith("i40e").contains("VFs of " + PF, "mediate.i40e"));
    }

    @Test
    public void openReadWriteClose() {
        assertThat(run("vfio:open 3:2.0"))
                .isEqualTo(VF + " is open, mediated by i40e; close it with: vfio:close " + VF);
        assertThat(run("vfio:read 3:2.0 bar0 0x8800")).isEqualTo("0x00000002");
        assertThat(run("vfio:write 3:2.0 bar0 0xcc00 0x12345678"))
                .isEqualTo("wrote 0x12345678 to BAR0+0xcc00 of " + VF);
        assertThat(run("vfio:read 3:2.0 BAR0 0xcc00")).isEqualTo("0x12345678");
        assertThat(run("vfio:read 3:2.0 0 52224 1")).isEqualTo("0x78");
        assertThat(run("vfio:read 3:2.0 config 0")).isEqualTo("0x154c8086");
        assertThat(lines("vfio:mediators")).anySatisfy(line -> assertThat(line)
                .startsWith("i40e")
                .contains(VF + ": bar0.reads.trapped=3 bar0.writes.trapped=1"));
        assertThat(run("vfio:close 3:2.0")).isEqualTo(VF + " is closed");
    }

    @Test
    public void regions() {
        run("vfio:open 3:2.0");
        assertThat(lines("vfio:regions 3:2.0"))
                .anySatisfy(line -> assertThat(line)
                        .startsWith("BAR0")
                        .contains("read write mmap", "[0x0, 0x2000)")
                        .as("the shell cannot be told to unmap, so this is trapped")
                        .doesNotContain("[0x2000, 0x3000)", "[0x7000, 0x8000)"))
                .anySatisfy(line -> assertThat(line).startsWith("CONFIG").contains("0x1000", "nothing"))
                .noneSatisfy(line -> assertThat(line).startsWith("BAR1"));
        run("vfio:close 3:2.0");
    }

    @Test
    public void irqs() {
        run("vfio:open 3:2.0");
        assertThat(lines("vfio:irqs 3:2.0"))
                .anySatisfy(line -> assertThat(line).startsWith("MSI-X").contains("5", "eventfd"));
        run("vfio:close 3:2.0");
    }

    @Test
    public void qemu() {
        String socket = context.getProperty(SOCKET_DIRECTORY) + "/" + VF + ".sock";
        assertThat(run("vfio:qemu 3:2.0"))
                .contains(
                        "-device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"path\":\"" + socket
                                + "\",\"type\":\"unix\"}}'",
                        "share=on");
    }

    @Test
    public void explain() {
        register("choosy", 100, context -> Decision.decline("not on a Sunday"));
        // A card of its own, as the functions of the others may have been opened by another test.
        insertXl710("0000:05:00.0", 1);
        eventually().untilAsserted(() -> assertThat(lines("vfio:mediators")).hasSize(5));
        assertThat(run("vfio:explain 5:2.0")).contains("was never opened", "choosy", "not asked yet");
        run("vfio:open 5:2.0");
        assertThat(lines("vfio:explain 5:2.0"))
                .satisfies(lines ->
                        assertThat(lines.get(0)).isEqualTo("0000:05:02.0 was last opened by shell: mediated by i40e"))
                .anySatisfy(line -> assertThat(line).contains("1  choosy", "declined", "not on a Sunday"))
                .anySatisfy(line -> assertThat(line).contains("i40e", "accepted"));
        run("vfio:close 5:2.0");
    }

    /** Commands return objects, not text: their parts can be asked for. */
    @Test
    public void results() {
        assertThat(execute("(vfio:devices) size")).isEqualTo(4);
        assertThat(execute("vfio:open 3:2.1")).isInstanceOf(String.class);
        assertThat(execute("(vfio:read 3:2.1 bar0 0x8800) value")).isEqualTo(2L);
        run("vfio:close 3:2.1");
    }

    @Test
    public void errors() {
        assertThat(error("vfio:read 3:2.0 bar0 0"))
                .isEqualTo(VF + " is not open: attach a VMM to its socket or open it here with: vfio:open " + VF);
        assertThat(error("vfio:regions 3:2.0")).contains("is not open");
        assertThat(error("vfio:irqs 3:2.0")).contains("is not open");
        assertThat(error("vfio:close 3:2.0")).isEqualTo(VF + " is not open");
        assertThat(error("vfio:open 3:0.0")).startsWith("EPERM: " + PF + " cannot be given to a VMM");
        assertThat(error("vfio:qemu 3:0.0")).startsWith(PF + " has no socket: ");
        assertThat(error("vfio:open nonsense")).contains("'nonsense' is not a PCI address");
        assertThat(error("vfio:open 77:0.0")).isEqualTo("77:0.0 is not present; vfio:devices lists what is");
        assertThat(error("vfio:open 2.0")).isEqualTo("2.0 is not unique, it could be " + IGD + " or " + VF);
        assertThat(error("vfio:read 3:2.0")).startsWith("usage: vfio:read DEVICE REGION OFFSET [WIDTH]");
        run("vfio:open 3:2.0");
        assertThat(error("vfio:open 3:2.0")).isEqualTo("EBUSY: " + VF + " is in use by shell");
        assertThat(error("vfio:read 3:2.0 bar9 0")).startsWith("'bar9' is no region");
        assertThat(error("vfio:read 3:2.0 bar0 0 3")).isEqualTo("'3' is no width: it is 1, 2, 4 or 8 bytes");
        assertThat(error("vfio:read 3:2.0 bar0 0x10000")).startsWith("EINVAL: access outside the region");
        assertThat(error("vfio:read 3:2.0 bar0 0xffffffffffffffff")).startsWith("EINVAL: access outside");
        assertThat(error("vfio:write 3:2.0 bar0 0 0x100 1"))
                .isEqualTo("0x100 does not fit in 1 byte; give a larger width");
        run("vfio:close 3:2.0");
    }

    @Test
    public void whatTheShellOpenedIsClosedWhenItGoes() throws BundleException {
        run("vfio:open 3:2.0");
        Bundle shell = bundleNamed("vfio.shell");
        shell.stop();
        try {
            assertThat(manager().opened(PciAddress.parse(VF))).isEmpty();
        } finally {
            shell.start();
        }
        eventually().untilAsserted(() -> assertThat(catchThrowable(() -> session.execute("vfio:devices")))
                .isNull());
    }

    private Object execute(String command) {
        return session.execute(command);
    }

    private String run(String command) {
        return session.run(command);
    }

    private List<String> lines(String command) {
        return session.lines(command);
    }

    private String error(String command) {
        return session.error(command);
    }
}
