"""Names of the arguments of optimizers, and their settings by role."""

from __future__ import annotations

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.theirs import Settings, Values

MOMENTS = n.words(
    "m v velocity s sq buf vel cache r gsq mt vt h avg expavg expavgsq squareavg momentumbuffer vdw sdw g2"
)

RATES = "lr learningrate eta alpha stepsize rate initiallr baselr lr0 maxlr l eta0 initlr peaklr initiallearningrate"

OPTIMIZER_SETTINGS = {
    "lr": RATES,
    "momentum": "momentum mu beta gamma m rho mom",
    "nesterov": "nesterov",
    "weight_decay": "weightdecay wd decay lambda lam l2 reg regstrength lmbda lambd",
    "betas": "betas",
    "beta1": "beta1 b1 betaone",
    "beta2": "beta2 b2 betatwo",
    "eps": "eps epsilon e",
    "alpha": "alpha rho decayrate beta decay gamma smoothing",
    "max_norm": "maxnorm clip clipnorm c threshold gradclip maxgradnorm clipvalue norm limit maxlength maxn",
}

UPDATED = {
    "p": "p w param parameter theta x weight weights wt params parameters",
    "g": "g dw grad gradient dtheta dx grads gradients dp dparams gw",
    "state": "state config cache optimstate memory s st moments optstate buf buffers v velocity states",
    "hyper": "hyper hyperparams hyperparameters hparams hp settings options opts",
    "k": "k t step iteration it stepnumber n i timestep nstep count",
}


def optimizer_values(settings: Settings) -> Values:
    """An optimizer's settings by role."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items() if v is not None}
    if "betas" in values:
        values |= {"beta1": values["betas"][0], "beta2": values["betas"][1]}
    return values
