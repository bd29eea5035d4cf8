package vfio.pci.repository;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.osgi.framework.Version;

class RepositoryQueryTest {
    private static final byte[] CONTENT = {1, 2, 3};

    @Test
    void whatMatchesTheDeviceIsACandidate() throws Exception {
        FakeRepository repository = new FakeRepository()
                .with("vf", "1.2.3", Map.of("vendor", "8086", "device", List.of("154c", "1571")), CONTENT)
                .with("graphics", "1.0.0", Map.of("vendor", "8086", "class", "03"), CONTENT)
                .with("single", "1.0.0", Map.of("vendor", "8086", "device", "154c"), CONTENT);

        List<Candidate> found = RepositoryQuery.find(repository, TestDevice.VF.ids());

        assertThat(found).extracting(Candidate::symbolicName).containsExactly("vf", "single");
        assertThat(found.get(0).version()).isEqualTo(Version.valueOf("1.2.3"));
        assertThat(found.get(0).location()).isEqualTo("vfio.pci.repository:vf/1.2.3");
        assertThat(found.get(0).content().open().readAllBytes()).isEqualTo(CONTENT);
        assertThat(RepositoryQuery.find(repository, TestDevice.IGD.ids()))
                .extracting(Candidate::label)
                .containsExactly("graphics 1.0.0");
    }
}
