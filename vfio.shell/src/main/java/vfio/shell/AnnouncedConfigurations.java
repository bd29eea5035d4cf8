package vfio.shell;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.Constants;
import org.osgi.service.component.runtime.ServiceComponentRuntime;
import org.osgi.service.component.runtime.dto.ComponentConfigurationDTO;
import org.osgi.service.component.runtime.dto.ComponentDescriptionDTO;

/**
 * The configurations that the runtime was started with. They reach their components on other threads, some time after all
 * bundles have started.
 *
 * @param pids their PIDs, {@code factory~name} for those of a factory
 */
record AnnouncedConfigurations(List<String> pids) {
    /** Framework property of the launcher: the PIDs, separated by commas. */
    static final String PROPERTY = "vfio.configurations";

    private static final Set<Integer> DECIDED = Set.of(
            ComponentConfigurationDTO.ACTIVE,
            ComponentConfigurationDTO.SATISFIED,
            ComponentConfigurationDTO.FAILED_ACTIVATION);

    static AnnouncedConfigurations of(@Nullable String property) {
        return new AnnouncedConfigurations(
                property == null || property.isEmpty() ? List.of() : List.of(property.split(",")));
    }

    /** Whether each has reached every component that takes it. One that no component takes is not waited for. */
    boolean arrived(ServiceComponentRuntime runtime) {
        return pids.stream().allMatch(pid -> runtime.getComponentDescriptionDTOs().stream()
                .filter(takes(pid))
                .allMatch(component -> runtime.getComponentConfigurationDTOs(component).stream()
                        .anyMatch(decidedWith(pid))));
    }

    private static Predicate<ComponentDescriptionDTO> takes(String pid) {
        String factory = pid.replaceFirst("~.*", "");
        return component -> Arrays.asList(component.configurationPid).contains(factory);
    }

    private static Predicate<ComponentConfigurationDTO> decidedWith(String pid) {
        return configuration -> DECIDED.contains(configuration.state)
                && pid.equals(configuration.properties.get(Constants.SERVICE_PID));
    }
}
