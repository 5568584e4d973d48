"""Spectra of matrices: arrays in, numbers out.

`Spectrum` gathers everything about the eigenvalues of one matrix; the functions behind its methods stand alone in the
modules of this package, one quantity a module. `ensembles` draws random matrices with known laws.
"""

from eigentrail.spectra import ensembles as ensembles
from eigentrail.spectra.eigenvalues import decompose as decompose
from eigentrail.spectra.joint_density import log_density as log_density
from eigentrail.spectra.joint_density import wigner_potential as wigner_potential
from eigentrail.spectra.joint_density import wishart_potential as wishart_potential
from eigentrail.spectra.marchenko_pastur import MarchenkoPastur as MarchenkoPastur
from eigentrail.spectra.marchenko_pastur import fit_marchenko_pastur as fit_marchenko_pastur
from eigentrail.spectra.phases import Phase as Phase
from eigentrail.spectra.power_law import PowerLaw as PowerLaw
from eigentrail.spectra.power_law import fit_power_law as fit_power_law
from eigentrail.spectra.power_law import ks_curve as ks_curve
from eigentrail.spectra.ranks import Ranks as Ranks
from eigentrail.spectra.ranks import ranks as ranks
from eigentrail.spectra.spacings import Spacings as Spacings
from eigentrail.spectra.spacings import spacings as spacings
from eigentrail.spectra.spectrum import Spectrum as Spectrum
from eigentrail.spectra.subspaces import principal_angles as principal_angles
from eigentrail.spectra.vectors import participation as participation
from eigentrail.spectra.vectors import porter_thomas as porter_thomas
