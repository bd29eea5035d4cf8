package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.pci.PciAddress;

/** The commands of the simulated bus, as Gogo calls them. */
class HotPlugCommandsTest {
    private static final PciAddress PF = Fakes.PF.address();
    private static final PciAddress VF = Fakes.VF.address();
    private static final PciAddress OTHER_VF = PciAddress.parse("0000:03:02.1");

    private final Gogo gogo = new Gogo();

    @AfterEach
    void stop() {
        gogo.close();
    }

    @Test
    void listsPlaces() throws Exception {
        assertThat(gogo.run("sim:devices").lines().map(line -> line.replaceAll(" {2,}", "|")))
                .containsExactly(
                        "address|id|what|VFs|state",
                        "0000:00:02.0|8086:5927|VGA controller|-|present",
                        "0000:03:00.0|8086:1572|Ethernet controller|1 of 32|present",
                        "0000:03:02.0|8086:154c|Ethernet controller, VF 0 of 0000:03:00.0|-|removed");
        gogo.bus.places.clear();
        assertThat(gogo.run("sim:devices")).startsWith("The simulated bus is empty.");
    }

    @Test
    void removes() throws Exception {
        gogo.bus.answer = List.of(VF);
        assertThat(gogo.run("sim:remove 3:2.0"))
                .isEqualTo("0000:03:02.0 is removed; put it back with: sim:add 0000:03:02.0");
        gogo.bus.answer = List.of(VF, PF);
        assertThat(gogo.run("sim:remove 3:0.0"))
                .isEqualTo("0000:03:00.0 and 1 virtual function are removed; put them back with: sim:add 0000:03:00.0");
        gogo.bus.answer = List.of(OTHER_VF, VF, PF);
        assertThat(gogo.run("sim:remove 0000:03:00.0"))
                .startsWith("0000:03:00.0 and 2 virtual functions are removed; put them back");
        assertThat(gogo.bus.requests).containsExactly("remove " + VF, "remove " + PF, "remove " + PF);
    }

    @ParameterizedTest
    @ValueSource(strings = {"sim:remove --only 3:0.0", "sim:remove 3:0.0 --only"})
    void removesOneAlone(String command) throws Exception {
        assertThat(gogo.run(command)).isEqualTo("0000:03:00.0 is removed; put it back with: sim:add 0000:03:00.0");
        assertThat(gogo.bus.requests).containsExactly("remove alone " + PF);
    }

    @Test
    void adds() throws Exception {
        gogo.bus.answer = List.of(VF);
        assertThat(gogo.run("sim:add 3:2.0")).isEqualTo("0000:03:02.0 is back");
        gogo.bus.answer = List.of(PF, VF, OTHER_VF);
        assertThat(gogo.run("sim:add 3:0.0")).isEqualTo("0000:03:00.0 and 2 virtual functions are back");
        assertThat(gogo.bus.requests).containsExactly("add " + VF, "add " + PF);
    }

    @Test
    void changesTheNumberOfVirtualFunctions() throws Exception {
        gogo.bus.answer = List.of(VF, OTHER_VF);
        assertThat(gogo.run("sim:vfs 3:0.0 2"))
                .isEqualTo("0000:03:00.0 has 2 virtual functions, 0000:03:02.0 to 0000:03:02.1");
        gogo.bus.answer = List.of(VF);
        assertThat(gogo.run("sim:vfs 3:0.0 1")).isEqualTo("0000:03:00.0 has 1 virtual function, 0000:03:02.0");
        gogo.bus.answer = List.of();
        assertThat(gogo.run("sim:vfs 3:0.0 0"))
                .isEqualTo("0000:03:00.0 has no virtual functions and can be given to a VMM itself");
        assertThat(gogo.bus.requests).containsExactly("vfs " + PF + " 2", "vfs " + PF + " 1", "vfs " + PF + " 0");
    }

    @ParameterizedTest
    @CsvSource({
        "sim:remove x, 'x' is not a PCI address: write it like 0000:03:02.0",
        "sim:add 7:0.0, 7:0.0 has no place on the simulated bus; sim:devices lists what has",
        "sim:remove 2.0, 2.0 is not unique",
        "sim:vfs 3:0.0 many, 'many' is no number of virtual functions: write one like 4",
        "sim:vfs 3:0.0 -1, '-1' is no number of virtual functions",
        "sim:vfs 3:0.0 9999999999, '9999999999' is no number of virtual functions",
        "sim:vfs 3:0.0 33, EINVAL: 0000:03:00.0 can have 0 to 32",
    })
    void saysWhatIsWrong(String command, String sentence) {
        assertThatThrownBy(() -> gogo.run(command))
                .isInstanceOf(CommandException.class)
                .hasMessageStartingWith(sentence);
        assertThat(gogo.bus.requests).isEmpty();
    }

    @Test
    void saysThatTheBusIsMissing() {
        gogo.plug.bus = null;

        assertThatThrownBy(() -> gogo.run("sim:devices"))
                .isInstanceOf(CommandException.class)
                .hasMessage("there is no simulated bus: is the bundle vfio.sim active? See felix:lb");
    }
}
