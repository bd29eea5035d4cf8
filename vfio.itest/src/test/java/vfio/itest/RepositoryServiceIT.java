package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.ops4j.pax.exam.CoreOptions.options;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import org.osgi.framework.ServiceRegistration;
import org.osgi.framework.Version;
import org.osgi.framework.namespace.IdentityNamespace;
import org.osgi.resource.Capability;
import org.osgi.resource.Requirement;
import org.osgi.resource.Resource;
import org.osgi.service.repository.ExpressionCombiner;
import org.osgi.service.repository.Repository;
import org.osgi.service.repository.RepositoryContent;
import org.osgi.service.repository.RequirementBuilder;
import org.osgi.service.repository.RequirementExpression;
import org.osgi.util.promise.Promise;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;

/** Vendor bundles that come from a service of the OSGi Repository specification. */
public class RepositoryServiceIT extends InFramework {
    private static final String VF = "0000:03:02.0";
    private static final Map<String, Object> OFFER = Map.of("vendor", "8086", "device", List.of("154c"));

    private ServiceRegistration<Repository> registration;

    @Configuration
    public Option[] configuration() {
        return options(core(), simulatedBus(), library(), repositoryServices(), repository());
    }

    @Before
    public void insertDevice() {
        insertXl710("0000:03:00.0", 1);
    }

    @After
    public void takeAway() throws BundleException {
        registration.unregister();
        for (Bundle bundle : context.getBundles()) {
            if (bundle.getSymbolicName().equals("mediate.i40e")) {
                bundle.uninstall();
            }
        }
    }

    @Test
    public void aDriverIsLoadedFromTheService() {
        register(new OneBundle(BundleCopy.of("mediate.i40e").version("3.0.0").bytes()));
        OpenDevice device = open(VF);

        assertThat(device.mediator()).contains("i40e");
        Bundle loaded = bundleNamed("mediate.i40e");
        assertThat(loaded.getVersion()).hasToString("3.0.0");
        assertThat(loaded.getLocation()).isEqualTo("vfio.pci.repository:mediate.i40e/3.0.0");
    }

    @Test
    public void aServiceThatFailsOrNeverAnswersHoldsNobodyUp() {
        register(new OneBundle(new byte[0]) {
            @Override
            public Map<Requirement, Collection<Capability>> findProviders(
                    Collection<? extends Requirement> requirements) {
                throw new IllegalStateException("out of order");
            }
        });
        assertThat(open(VF).mediator()).isEmpty();
        manager().opened(PciAddress.parse(VF)).orElseThrow().close();
        registration.unregister();

        CountDownLatch never = new CountDownLatch(1);
        register(new OneBundle(new byte[0]) {
            @Override
            public Map<Requirement, Collection<Capability>> findProviders(
                    Collection<? extends Requirement> requirements) {
                try {
                    never.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
                return Map.of();
            }
        });
        assertThat(open(VF).mediator()).isEmpty();
        never.countDown();
    }

    private void register(Repository repository) {
        registration = context.registerService(Repository.class, repository, null);
    }

    /** A repository with one bundle, which is offered for everything. */
    private static class OneBundle implements Repository {
        private final byte[] content;

        OneBundle(byte[] content) {
            this.content = content;
        }

        @Override
        public Map<Requirement, Collection<Capability>> findProviders(Collection<? extends Requirement> requirements) {
            Map<Requirement, Collection<Capability>> found = new HashMap<>();
            Content resource = new Content(new ByteArrayInputStream(content));
            requirements.forEach(requirement ->
                    found.put(requirement, List.of(new Offered(resource, requirement.getNamespace(), OFFER))));
            return found;
        }

        @Override
        public Promise<Collection<Resource>> findProviders(RequirementExpression expression) {
            throw new UnsupportedOperationException();
        }

        @Override
        public ExpressionCombiner getExpressionCombiner() {
            throw new UnsupportedOperationException();
        }

        @Override
        public RequirementBuilder newRequirementBuilder(String namespace) {
            throw new UnsupportedOperationException();
        }
    }

    private record Content(InputStream getContent) implements Resource, RepositoryContent {
        @Override
        public List<Capability> getCapabilities(String namespace) {
            return List.of(new Offered(
                    this,
                    IdentityNamespace.IDENTITY_NAMESPACE,
                    Map.of(
                            IdentityNamespace.IDENTITY_NAMESPACE,
                            "mediate.i40e",
                            IdentityNamespace.CAPABILITY_TYPE_ATTRIBUTE,
                            IdentityNamespace.TYPE_BUNDLE,
                            IdentityNamespace.CAPABILITY_VERSION_ATTRIBUTE,
                            Version.valueOf("3.0.0"))));
        }

        @Override
        public List<Requirement> getRequirements(String namespace) {
            return List.of();
        }
    }

    private record Offered(Resource getResource, String getNamespace, Map<String, Object> getAttributes)
            implements Capability {
        @Override
        public Map<String, String> getDirectives() {
            return Map.of();
        }
    }
}
