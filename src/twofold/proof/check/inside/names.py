"""Names that students use: from the name of an argument or attribute to its role."""

from __future__ import annotations

import re
from collections.abc import Iterable

NORMS = ("batch_norm", "layer_norm", "group_norm")
RECURRENT = ("rnn", "lstm", "gru")

INPUT = (
    "x input inputs inp data features image images feature tokens ids idx indices index seq sequence xs inputx z "
    "xt imgs img"
)
OUTPUT = "y out output a activation result h act outputs probs s softmaxout yhat ypred"
GRADIENT = (
    "dy dout grad gradoutput gradout upstream delta dl dldy gradient dnext dh dloss outputgrad grady g douts "
    "topdiff error da dz gradoutputs doutput dup upstreamgrad dnexth dhnext dhs dldout dldz gradinput gradients "
    "dlda accumgrad nextgrad dyt gout gy dysoftmax gradient_output upstreamgradient dall dhall grads eta"
)
CACHE = (
    "cache ctx saved memory context tape residuals caches stored memo savedtensors kept store forwardcache fwdcache tmp"
)
MODE = "mode training train istraining istrain phase trainmode istrainingmode"
STATE = (
    "h0 hprev prevh h hidden hx state hiddenstate hinit hstart prevhidden ht1 previoush hlast prevstate htm1 hiddenprev"
)
MEMORY = "c0 cprev prevc c cell cx cellstate cinit prevcell memorystate ctm1 cellprev"
PARAMS = "params parameters theta weightsdict p par paramdict state_dict"

WEIGHTS = {
    "plain": {
        "weight": (
            "w weight weights kernel kernels filter filters weightmatrix w1 wmat table embedding embeddingmatrix "
            "emb wte k theta lookup embeddings vectors wconv f"
        ),
        "bias": "b bias biases b1 beta bconv offset",
    },
    "columns": {
        f"weight_{place}": " ".join(f"{word}{place}" for word in ("w", "weight", "table", "emb", "embedding", "e"))
        for place in range(10)
    },
    "prelu": {"weight": "a alpha slope slopes weight w"},
    "norm": {
        "weight": "gamma g weight scale w gain gammas gam",
        "bias": "beta bias shift b betas bet",
        "running_mean": (
            "runningmean rmean rm mm movingaveragemean emamean avgmean movingmean runmean runningmu runmu meanrunning"
        ),
        "running_var": (
            "runningvar rvar rv mv movingaveragevar emavar avgvar movingvar runvar runningvariance "
            "movingvariance runningsigma2 varrunning"
        ),
    },
    "recurrent": {
        "weight_ih": (
            "weightih wih wx wxh whx wi winput win w inputweight x2h i2h weightx wxg weightihl0 kernel ux wxgates "
            "input2hidden wxs"
        ),
        "weight_hh": (
            "weighthh whh wh u hiddenweight h2h weighth wrec recurrentweight whg weighthhl0 recurrentkernel r "
            "whgates hidden2hidden whs"
        ),
        "bias_ih": "biasih bih bx bi bxh bhx biasx biasihl0 bin binput",
        "bias_hh": "biashh bhh bhidden biash bhr biashhl0 brec bh",
        "bias": "b bias biases bg",
    },
}
SETTINGS = {
    "stride": "stride strides s step",
    "padding": "padding pad p pads",
    "kernel": (
        "kernelsize kernel ksize k poolsize size windowsize pool filtersize window f fieldsize receptivefield kernels"
    ),
    "kernel_h": "poolheight kernelheight kh hh poolh kernelh fh hf ph",
    "kernel_w": "poolwidth kernelwidth kw ww poolw kernelw fw wf pw",
    "dilation": "dilation d rate dilations",
    "groups": "groups numgroups ngroups group g",
    "num_groups": "numgroups groups ngroups g group",
    "num_parameters": "numparameters nparams numparams n channels c numchannels features numfeatures size",
    "init": "init a",
    "eps": "eps epsilon e",
    "momentum": "momentum mom m mu rho",
    "alpha": "alpha a",
    "negative_slope": "negativeslope slope leak leakyslope leakiness alpha a neg leakslope negslope",
    "p": "p rate prob droprate dropprob dropoutrate dropout pdrop dropoutp probability dropoutprob",
    "keep": "keepprob keep keeprate pkeep keepp",
    "ceil_mode": "ceilmode ceil",
    "count_include_pad": "countincludepad includepad",
    "inputs": (
        "infeatures inchannels inputs nin inputsize inputdim fanin numinputs insize indim inputfeatures din cin "
        "ninputs numinput infeats inchannel channelsin inplanes inputchannels ninput dimin numin inunits idim nx "
        "i c d dinput icc inc"
    ),
    "units": (
        "outfeatures outchannels units nout outputsize outputdim fanout numoutputs outsize outdim outputfeatures "
        "dout cout noutputs hiddensize numhidden hiddendim hidden h nhidden numunits numfilters filters nfilters "
        "outchannel channelsout outplanes embeddingdim embeddim dim embdim nout outputchannels numhiddens noutput "
        "dimout numout channels outunits odim ny o m statesize nh outc ndim embedding_size embsize doutput "
        "numkernels"
    ),
    "features": (
        "numfeatures features nfeatures channels numchannels normalizedshape shape dim size n c d hiddensize "
        "nchannels nfeat featurecount inputsize infeatures dims numfeats"
    ),
    "num_embeddings": (
        "numembeddings vocabsize vocab v numwords ntokens num nembeddings numtokens vocabularysize voc nwords n vsize"
    ),
    "nonlinearity": "nonlinearity activation act nonlin",
    "bias_flag": "bias usebias",
    "affine": "affine elementwiseaffine",
    "batch_first": "batchfirst",
    "axis": "axis dim",
    "approximate": "approximate approx",
    "init_scale": "scale std sigma stddev initscale initstd weightscale",
}


def plain(name: str) -> str:
    """A name in lower case, without underscores and other separators."""
    return re.sub(r"[\W_]", "", name).lower()


def words(text: str) -> frozenset[str]:
    """The names of a list, made plain."""
    return frozenset(plain(word) for word in text.split())


INPUTS = words("x xs xt inp inps input inputs inputdata aprev")
"""Names of the input from which names of its gradient are made: `x` in `dx`."""


def family(kind: str) -> str:
    """The family of kinds that share names of parameters: a key of `WEIGHTS`."""
    if kind == "prelu":
        return kind
    if kind == "embed_columns":
        return "columns"
    return "norm" if kind in NORMS else "recurrent" if kind in RECURRENT else "plain"


def parameter_role(kind: str, name: str, known: Iterable[str]) -> str | None:
    """The parameter that an argument's or attribute's name stands for."""
    short = plain(name)
    for role, names in WEIGHTS[family(kind)].items():
        if role in known and (short == plain(role) or short in words(names)):
            return role
    return None


def gradient_role(kind: str, name: str, known: Iterable[str]) -> str | None:
    """The parameter whose gradient an attribute or key holds: `dW`, `grad_weight`, `W_grad`, `weight`."""
    short = plain(name)
    for prefix in ("gradof", "dldw", "grads", "grad", "dl", "d", ""):
        if short.startswith(prefix):
            role = parameter_role(kind, short[len(prefix) :], known)
            if role and (prefix or short):
                return role
    for suffix in ("gradient", "grads", "grad", "g"):
        if short.endswith(suffix):
            role = parameter_role(kind, short[: -len(suffix)], known)
            if role:
                return role
    return None


def names_input_gradient(name: str) -> bool:
    """Whether a key or attribute holds dx: `dx`, `grad_input`, `inp_g`, `input_error`."""
    short = plain(name)
    ahead = (
        short.removeprefix(prefix) for prefix in ("dld", "gradof", "gradient", "grad", "d") if short.startswith(prefix)
    )
    behind = (short.removesuffix(e) for e in ("gradient", "grad", "error", "delta", "g") if short.endswith(e))
    return short in words("dembedded dh_in") or any(rest in INPUTS for rest in (*ahead, *behind))
